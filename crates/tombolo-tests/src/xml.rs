//! Just enough of XML to read an element out of a reply by its name.

/// A reply in XML.
#[derive(Debug, Clone)]
pub struct Xml(pub String);

impl Xml {
    /// The text of the first element of this name.
    ///
    /// # Panics
    /// There is none.
    #[track_caller]
    pub fn text(&self, name: &str) -> String {
        let found = self.all(name).into_iter().next();
        found.unwrap_or_else(|| panic!("no <{name}> in {}", self.0))
    }

    /// The content of every element of this name that holds none of the same name.
    pub fn all(&self, name: &str) -> Vec<String> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let mut found = Vec::new();
        let mut rest = self.0.as_str();
        while let Some((_, after)) = rest.split_once(&open) {
            let Some((content, after)) = after.split_once(&close) else {
                break;
            };
            found.push(unescape(content));
            rest = after;
        }
        found
    }
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}
