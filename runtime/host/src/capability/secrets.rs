//! The values of secrets, for the few plugins that cannot do with a placeholder.

use engine::Failure;

use crate::{call::CallState, grants::Wanted};

impl CallState {
    pub(crate) async fn reveal_secret(&self, name: &str) -> Result<String, Failure> {
        let mut used = self.begin("secrets", "reveal", name, None);
        let revealing = async {
            self.grants().check(&Wanted::Secret(name))?;
            self.services.secrets.value(name).await
        };
        let result = revealing.await;
        if let Ok(value) = &result {
            self.sealed.show(name, value);
            used.with_secrets(&[name.to_owned()]);
        }
        used.ended(result)
    }
}
