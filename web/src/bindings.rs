//! What JavaScript sees. Each function hands on to its namesake.

use std::io;

use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

use crate::{Answer, Question, Reading};

#[wasm_bindgen]
extern "C" {
    /// A file of the page: `read(into)` fills a part of `into` and answers how many bytes, 0 at the end.
    pub type Source;

    #[wasm_bindgen(method, catch)]
    fn read(this: &Source, into: &mut [u8]) -> Result<u32, JsValue>;
}

impl io::Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let told =
            |why: JsValue| io::Error::other(why.as_string().unwrap_or_else(|| "cannot be read".to_owned()));
        Self::read(self, into).map_err(told).map(|read| usize::try_from(read).unwrap_or(into.len()))
    }
}

/// Logs while they are read.
#[wasm_bindgen(js_name = Reading)]
pub struct JsReading(Reading);

#[wasm_bindgen(js_class = Reading)]
impl JsReading {
    #[wasm_bindgen(constructor)]
    pub fn new(question: &str) -> Result<JsReading, String> {
        Ok(Self(Reading::new(&Question::parse(question)?)?))
    }

    pub fn add(&mut self, name: String, source: Source) {
        self.0.add(name, source);
    }

    pub fn step(&mut self) -> Result<bool, String> {
        self.0.step()
    }

    pub fn finish(self) -> JsAnswer {
        JsAnswer(self.0.finish())
    }
}

/// What is shown, and spelled to be kept.
#[wasm_bindgen(js_name = Answer)]
pub struct JsAnswer(Answer);

#[wasm_bindgen(js_class = Answer)]
impl JsAnswer {
    pub fn shown(&self) -> String {
        self.0.shown()
    }

    pub fn spelled(&self, form: &str, sheet: &str) -> Result<String, String> {
        self.0.spelled(form, sheet)
    }
}

#[wasm_bindgen]
pub fn price(question: &str) -> Result<JsAnswer, String> {
    crate::price(question).map(JsAnswer)
}

#[wasm_bindgen]
pub fn rates(question: &str) -> Result<String, String> {
    crate::rates(question)
}

#[wasm_bindgen]
pub fn models() -> String {
    crate::models()
}
