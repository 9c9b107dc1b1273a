//! Lines in the deployment's log: `logs::info!("{count} members")`.

pub use crate::bindings::imports::logs::Level;
use crate::imports;

/// Writes a line, with fields.
pub fn write(level: Level, message: &str, fields: &[(&str, &str)]) {
    let own = |(name, value): &(&str, &str)| ((*name).into(), (*value).into());
    let fields: Vec<(String, String)> = fields.iter().map(own).collect();
    imports::logs::write(level, message, &fields);
}

macro_rules! levels {
    ($dollar:tt $($name:ident $level:ident $doc:literal;)*) => {
        $(#[doc = $doc]
        #[doc(hidden)]
        #[macro_export]
        macro_rules! $name {
            ($dollar($dollar message:tt)*) => {
                $crate::logs::write(
                    $crate::logs::Level::$level,
                    &format!($dollar($dollar message)*),
                    &[],
                )
            };
        }
        #[doc = $doc]
        pub use $name;)*
    };
}

levels! { $
    __debug Debug "Writes a line for who looks for a fault.";
    __info Info "Writes a line for who follows the deployment.";
    __warn Warn "Writes a line about something that is not as it should be.";
}
pub use {__debug as debug, __info as info, __warn as warn};
