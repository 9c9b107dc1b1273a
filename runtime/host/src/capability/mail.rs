//! Mail through the operator's mail server.

use bindings::mail::Message;
use engine::{Code, Failure};

use crate::{
    call::{CallState, invalid},
    grants::Wanted,
    services::Mail,
};

/// A message that tells of a deployment is not sent to more.
const RECIPIENTS_MAX: usize = 100;

impl CallState {
    pub(crate) async fn send_mail(&self, message: Message) -> Result<(), Failure> {
        let used = self.begin("mail", "send", &message.to.join(", "), None);
        used.ended(self.mail_checked(message).await)
    }

    async fn mail_checked(&self, message: Message) -> Result<(), Failure> {
        if let Some((name, _)) = message.options.first() {
            return Err(invalid(format!("mail has no option `{name}`")));
        }
        if message.to.is_empty() || message.to.len() > RECIPIENTS_MAX {
            return Err(invalid(format!(
                "a mail has 1 to {RECIPIENTS_MAX} recipients"
            )));
        }
        for recipient in &message.to {
            if recipient
                .chars()
                .any(|c| c.is_control() || ",;<> ".contains(c))
            {
                return Err(invalid(format!(
                    "`{}` is no address",
                    recipient.escape_debug()
                )));
            }
            self.grants().check(&Wanted::Mail(recipient))?;
        }
        if message.subject.contains(['\r', '\n']) {
            return Err(invalid("a mail's subject is one line"));
        }
        let Some(server) = &self.services.mail else {
            let text = "no mail server is configured";
            return Err(Failure::new(Code::Unavailable, text));
        };
        let redact = |text: String| self.sealed.redact(text);
        let mail = Mail {
            to: message.to,
            subject: redact(message.subject),
            text: redact(message.text),
            html: message.html.map(redact),
        };
        server.send(mail).await
    }
}
