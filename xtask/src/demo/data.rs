//! The demo's folder: key, database, credentials and sign-ins, made once and used again.

use crate::bins;
use crate::process;
use crate::workspace::{Profile, Workspace};
use anyhow::{Context, Result, bail};
use davy_city::{City, Districts, Plan, SignIn};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder with everything in it.
pub(super) struct Data {
    /// Where it is.
    pub(super) folder: PathBuf,
    sign_ins: Vec<Value>,
}

impl Data {
    /// Opens the folder; makes key, city and database when they are not there.
    pub(super) fn open(workspace: &Workspace, folder: &Path, seed: u64) -> Result<Self> {
        let folder = workspace.root.join(folder);
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let mut data = Self { folder, sign_ins: Vec::new() };
        if data.credentials().is_file() && data.folder.join("davy.db").is_file() {
            data.sign_ins = data.read_sign_ins()?;
            println!("  using the city in {}", data.folder.display());
            return Ok(data);
        }
        if data.folder.join("davy.db").is_file() || data.credentials().is_file() {
            bail!("{} holds half a city: remove it and run this again", data.folder.display());
        }
        data.create(workspace, seed)?;
        Ok(data)
    }

    fn create(&mut self, workspace: &Workspace, seed: u64) -> Result<()> {
        let map = workspace.root.join("web/assets/map/tianjin.geojson");
        let map = std::fs::read_to_string(&map).with_context(|| format!("cannot read {}", map.display()))?;
        let mut random = std::fs::File::open("/dev/urandom").context("no random source")?;
        let mut failed = None;
        let city = City::plan(&Plan::demo(seed), &Districts::read(&map)?, |_| {
            password(&mut random).unwrap_or_else(|error| {
                failed = Some(error);
                String::new()
            })
        })?;
        if let Some(error) = failed {
            return Err(error).context("cannot make up passwords");
        }
        let mut manifest = city.manifest();
        let rule = workspace.rules().join("household-leak.wasm");
        for tenant in manifest["tenants"].as_array_mut().into_iter().flatten() {
            tenant["rule"] = json!({"component": rule});
        }
        let file = self.folder.join("city.json");
        write_private(&file, &manifest)?;
        if !self.key().is_file() {
            self.davy(workspace, &["keygen"])?;
        }
        self.davy(
            workspace,
            &["provision", &file.display().to_string(), "--credentials", &self.credentials().display().to_string()],
        )?;
        // It has the passwords in it and is not needed again.
        std::fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        self.sign_ins = city.sign_ins.iter().map(as_json).collect();
        write_private(&self.folder.join("sign-ins.json"), &Value::Array(self.sign_ins.clone()))?;
        println!(
            "  a city of {} premises and {} devices is in {}",
            city.premises(),
            city.devices(),
            self.folder.display()
        );
        Ok(())
    }

    fn davy(&self, workspace: &Workspace, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(bins::program(workspace, Profile::Release, "davy")?);
        command.args(arguments);
        self.settings(&mut command, workspace);
        let said = process::output(&mut command)?;
        said.lines().for_each(|line| println!("  {line}"));
        Ok(())
    }

    /// The settings that `davy` runs with here, as environment variables.
    pub(super) fn settings(&self, command: &mut Command, workspace: &Workspace) {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("DAVY_") {
                command.env_remove(name);
            }
        }
        command.env("DAVY_DATABASE_URL", self.database());
        command.env("DAVY_KEYS_FILE", self.key());
        command.env("DAVY_SITE_FOLDER", workspace.site());
        // Browsers send secure cookies over plain HTTP to no host but localhost, and some not even there.
        command.env("DAVY_HTTP_SECURE_COOKIES", "false");
    }

    /// The URL of the database.
    pub(super) fn database(&self) -> String {
        format!("sqlite:{}", self.folder.join("davy.db").display())
    }

    fn key(&self) -> PathBuf {
        self.folder.join("davy.key")
    }

    /// The devices' keys, for the fleet.
    pub(super) fn credentials(&self) -> PathBuf {
        self.folder.join("fleet.json")
    }

    fn read_sign_ins(&self) -> Result<Vec<Value>> {
        let path = self.folder.join("sign-ins.json");
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no list of sign-ins", path.display()))
    }

    /// Prints who can sign in.
    pub(super) fn print_sign_ins(&self) {
        println!("  {:<12}{:<34}password", "sign in as", "e-mail");
        for each in &self.sign_ins {
            let text = |name: &str| each[name].as_str().unwrap_or_default();
            println!("  {:<24}{:<34}{}", text("role"), text("email"), text("password"));
        }
    }
}

fn as_json(sign_in: &SignIn) -> Value {
    json!({"role": sign_in.role, "email": sign_in.email, "password": sign_in.password})
}

/// Four groups of four letters and digits that cannot be mistaken for each other: 78 bits.
fn password(random: &mut std::fs::File) -> std::io::Result<String> {
    const LETTERS: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
    let mut text = String::new();
    while text.len() < 19 {
        let mut byte = [0];
        random.read_exact(&mut byte)?;
        // The last few values would favour the first letters.
        if usize::from(byte[0]) < 256 / LETTERS.len() * LETTERS.len() {
            if text.len() % 5 == 4 {
                text.push('-');
            }
            text.push(char::from(LETTERS[usize::from(byte[0]) % LETTERS.len()]));
        }
    }
    Ok(text)
}

fn write_private(path: &Path, value: &Value) -> Result<()> {
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(&serde_json::to_vec_pretty(value)?).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_four_groups_and_is_another_each_time() {
        let mut random = std::fs::File::open("/dev/urandom").unwrap();
        let (first, second) = (password(&mut random).unwrap(), password(&mut random).unwrap());
        assert_eq!(first.split('-').map(str::len).collect::<Vec<_>>(), [4; 4]);
        assert_ne!(first, second);
    }
}
