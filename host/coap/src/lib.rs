//! Sans-IO CoAP endpoint (both roles) and OSCORE
