//! One file a page. A page loads its data, shows loading, empty and problem states, and hands the data to components as
//! props; it computes nothing that the API should say.

pub mod back_test;
pub mod device;
pub mod devices;
pub mod home;
pub mod not_found;
pub mod overview;
pub mod rule;
pub mod rules;
pub mod sign_in;
pub mod why;

pub use back_test::BackTestPage;
pub use device::DevicePage;
pub use devices::DevicesPage;
pub use home::HomePage;
pub use not_found::NotFoundPage;
pub use overview::OverviewPage;
pub use rule::RulePage;
pub use rules::RulesPage;
pub use sign_in::SignInPage;
pub use why::WhyPage;
