//! The plugin as machine code, which takes seconds to make and a moment to load: it is kept beside the file for the next program.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use wasmtime::{Config, Engine, Module};

use crate::Error;

/// A compiled plugin, from which any number of hosts can be started in a moment.
pub struct Compiled {
    pub(super) engine: Engine,
    pub(super) module: Module,
}

impl Compiled {
    /// Compiles `tollgate.wasm`, or loads what came of it the last time.
    ///
    /// # Errors
    /// Where the file cannot be read or is no wasm.
    pub fn new(wasm: &Path) -> Result<Self, Error> {
        let mut config = Config::new();
        config.consume_fuel(true);
        let failed = |why: &dyn std::fmt::Display| Error::File(format!("`{}`: {why:#}", wasm.display()));
        let engine = Engine::new(&config).map_err(|error| failed(&error))?;
        let bytes = fs::read(wasm).map_err(|error| failed(&error))?;
        let kept = Kept::of(wasm, &bytes, &engine);
        // One program makes it while the others wait. Where that cannot be had nothing is kept: two could write one file.
        let alone = kept.lock();
        if let Some(module) = alone.as_ref().and_then(|_| kept.load(&engine)) {
            return Ok(Self { engine, module });
        }
        let module = Module::new(&engine, &bytes).map_err(|error| failed(&error))?;
        if alone.is_some() {
            kept.keep(&module);
        }
        Ok(Self { engine, module })
    }
}

/// Where the machine code of a plugin is kept: beside the plugin. Only time depends on it, so nobody minds where that fails.
struct Kept {
    folder: PathBuf,
    /// What the names of all that was made of the plugin begin with.
    start: String,
    /// Of this plugin and this engine.
    name: String,
}

/// What the names of such files end with.
const END: &str = ".native";

impl Kept {
    fn of(wasm: &Path, bytes: &[u8], engine: &Engine) -> Self {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let start = format!("{}.", wasm.file_name().unwrap_or_default().to_string_lossy());
        let name = format!("{start}{:016x}{END}", hasher.finish());
        Self { folder: wasm.parent().unwrap_or(Path::new(".")).to_path_buf(), start, name }
    }

    fn lock(&self) -> Option<File> {
        let lock = File::create(self.folder.join(format!("{}lock", self.start))).ok()?;
        lock.lock().ok().map(|()| lock)
    }

    fn load(&self, engine: &Engine) -> Option<Module> {
        let file = self.folder.join(&self.name);
        if !file.is_file() {
            return None;
        }
        // SAFETY: the file is whole, since it was renamed to this name, and was made by `keep` for such an engine out of the same
        // bytes, which its name says. Who can write into this folder can change the plugin and the tests as well.
        unsafe { Module::deserialize_file(engine, file) }.ok()
    }

    /// Keeps it instead of what was made of the plugin before.
    fn keep(&self, module: &Module) {
        let Ok(code) = module.serialize() else { return };
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(&self.start) && name.ends_with(END) {
                let _removed = fs::remove_file(entry.path());
            }
        }
        let new = self.folder.join(format!("{}new", self.start));
        let _kept = fs::write(&new, code).and_then(|()| fs::rename(&new, self.folder.join(&self.name)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compiled_is_kept_until_the_plugin_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let wasm = folder.path().join("plugin.wasm");
        let kept = || {
            let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
            names.retain(|name| name.ends_with(END));
            names
        };
        let exports = |name: &str| {
            fs::write(&wasm, exporting(name)).unwrap();
            let compiled = Compiled::new(&wasm).unwrap();
            compiled.module.exports().map(|export| export.name().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(exports("one"), ["one"]);
        let first = kept();
        assert_eq!((exports("one"), kept()), (vec!["one".to_owned()], first.clone()));
        assert_eq!(exports("other"), ["other"]);
        assert!(kept().len() == 1 && kept() != first, "{first:?}, then {:?}", kept());
        fs::write(folder.path().join(&kept()[0]), "damaged").unwrap();
        assert_eq!(exports("other"), ["other"]);

        let lock = folder.path().join("plugin.wasm.lock");
        fs::remove_file(&lock).unwrap();
        fs::create_dir(&lock).unwrap();
        assert_eq!(
            (exports("third"), kept().len()),
            (vec!["third".to_owned()], 1),
            "nothing new without a lock"
        );
    }

    /// A module with one function, which does nothing.
    fn exporting(name: &str) -> Vec<u8> {
        let length = u8::try_from(name.len()).unwrap();
        let types = [1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0];
        let export = [&[7, length + 4, 1, length], name.as_bytes(), &[0, 0]].concat();
        [b"\0asm\x01\0\0\0", &types[..], &export, &[10, 4, 1, 2, 0, 11]].concat()
    }
}
