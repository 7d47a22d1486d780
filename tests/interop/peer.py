"""A CoAP and OSCORE peer by aiocoap, told what to do by one JSON object a line on standard input.

Usage: peer.py client HOST PORT SECURITY.json | peer.py server PORT SECURITY.json

SECURITY.json: sender_id, recipient_id, id_context, secret, salt (hex) and algorithm (COSE name).
Every line on standard output is a JSON object; an order's answer carries the order's `id`.
"""

import asyncio
import json
import os
import random
import socket
import sys
import tempfile

import aiocoap
import aiocoap.resource
from aiocoap import oscore
from aiocoap.numbers import ContentFormat
from aiocoap.oscore_sitewrapper import OscoreSiteWrapper
from aiocoap import credentials


def say(**what):
    print(json.dumps(what), flush=True)


def context_folder(security):
    """aiocoap keeps a security context in a folder of its own."""
    folder = tempfile.mkdtemp(prefix="davy-aiocoap-")
    settings = {
        "sender-id_hex": security["sender_id"],
        "recipient-id_hex": security["recipient_id"],
        "id-context_hex": security["id_context"],
        "secret_hex": security["secret"],
        "salt_hex": security["salt"],
        "algorithm": security["algorithm"],
    }
    with open(os.path.join(folder, "settings.json"), "w") as file:
        json.dump(settings, file)
    return folder


def answer(order, response):
    say(
        id=order["id"],
        code=str(response.code).split()[0],
        payload=response.payload.hex(),
        format=None if response.opt.content_format is None else int(response.opt.content_format),
    )


class Client:
    def __init__(self, host, port, security):
        self.host, self.port = host, port
        self.context = oscore.FilesystemSecurityContext(context_folder(security))
        self.sockets = {}
        self.observations = []

    async def start(self):
        self.coap = await aiocoap.Context.create_client_context()
        self.coap.client_credentials[f"coap://{self.host}:{self.port}/*"] = self.context

    def uri(self, path):
        return f"coap://{self.host}:{self.port}/{path}"

    def message(self, order):
        code = {"get": aiocoap.GET, "post": aiocoap.POST}[order["method"]]
        message = aiocoap.Message(code=code, uri=self.uri(order["path"]), payload=bytes.fromhex(order.get("payload", "")))
        if order.get("format") is not None:
            message.opt.content_format = ContentFormat(order["format"])
        return message

    async def request(self, order):
        response = await asyncio.wait_for(self.coap.request(self.message(order)).response, 30)
        answer(order, response)

    async def observe(self, order):
        message = self.message(order)
        message.opt.observe = 0
        request = self.coap.request(message)
        self.observations.append(request)
        first = await asyncio.wait_for(request.response, 30)
        answer(order, first)

        async def listen():
            async for notification in request.observation:
                say(notification=order["id"], code=str(notification.code).split()[0], payload=notification.payload.hex())

        self.observations.append(asyncio.create_task(listen()))

    async def protect(self, order):
        """Seals a request and returns its bytes without sending them."""
        message = self.message(order)
        # Only the path belongs into the message: what the URI names beyond it is where it goes.
        bare = aiocoap.Message(code=message.code, payload=message.payload)
        bare.opt.uri_path = message.opt.uri_path
        if message.opt.content_format is not None:
            bare.opt.content_format = message.opt.content_format
        sealed, self.sealed = self.context.protect(bare)
        sealed.mtype, sealed.mid = aiocoap.CON, random.randrange(1 << 16)
        sealed.token = random.randbytes(4)
        say(id=order["id"], datagram=sealed.encode().hex())

    async def datagram(self, order):
        """Sends bytes as they are from the socket of that name, and returns what comes back, if anything."""
        loop = asyncio.get_running_loop()
        name = order.get("socket", "")
        if name not in self.sockets:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.setblocking(False)
            made.connect((self.host, self.port))
            self.sockets[name] = made
        await loop.sock_sendall(self.sockets[name], bytes.fromhex(order["bytes"]))
        try:
            reply = await asyncio.wait_for(loop.sock_recv(self.sockets[name], 4096), order.get("patience", 3))
        except asyncio.TimeoutError:
            say(id=order["id"], reply=None, code=None)
            return
        message = aiocoap.Message.decode(reply)
        inner = None
        if message.opt.oscore is not None:
            try:
                plain, _ = self.context.unprotect(message, self.sealed)
                inner = str(plain.code).split()[0]
            except oscore.ProtectionInvalid as error:
                inner = f"invalid: {error}"
        say(id=order["id"], reply=reply.hex(), code=str(message.code).split()[0], inner=inner)


class Echo(aiocoap.resource.Resource):
    """Answers with what came: by Block2 when it is long."""

    async def render_post(self, request):
        return aiocoap.Message(code=aiocoap.CHANGED, payload=request.payload, content_format=ContentFormat(42))


class Clock(aiocoap.resource.ObservableResource):
    """Counts, and tells its observers."""

    def __init__(self):
        super().__init__()
        self.count = 0
        self.ticking = None

    def update_observation_count(self, count):
        if count and self.ticking is None:
            self.ticking = asyncio.create_task(self.tick())

    async def tick(self):
        while True:
            await asyncio.sleep(0.2)
            self.count += 1
            self.updated_state()

    async def render_get(self, request):
        return aiocoap.Message(payload=str(self.count).encode())


async def serve(port, security):
    site = aiocoap.resource.Site()
    site.add_resource([".well-known", "core"], aiocoap.resource.WKCResource(site.get_resources_as_linkheader))
    site.add_resource(["echo"], Echo())
    site.add_resource(["clock"], Clock())
    known = credentials.CredentialsMap()
    known[":device"] = oscore.FilesystemSecurityContext(context_folder(security))
    await aiocoap.Context.create_server_context(OscoreSiteWrapper(site, known), bind=("127.0.0.1", port))
    say(ready=port)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def drive(host, port, security):
    client = Client(host, port, security)
    await client.start()
    say(ready=port)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order = json.loads(line)
        try:
            await getattr(client, order["do"])(order)
        except Exception as error:  # the test decides whether that was to be expected
            say(id=order["id"], error=f"{type(error).__name__}: {error}")


def main():
    role, *rest = sys.argv[1:]
    with open(rest.pop()) as file:
        security = json.load(file)
    if role == "server":
        asyncio.run(serve(int(rest[0]), security))
    else:
        asyncio.run(drive(rest[0], int(rest[1]), security))


if __name__ == "__main__":
    main()
