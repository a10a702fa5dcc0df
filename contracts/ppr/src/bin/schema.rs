//! Writes the JSON schema of the contract's messages as `ppr.json` into the folder named, by default
//! the repository's `schema/`.

use std::{env, fs, io, path::PathBuf};

use casewise_protocol::ppr::{ExecuteMsg, InstantiateMsg, MigrateMsg, QueryMsg};
use cosmwasm_schema::generate_api;

fn main() -> io::Result<()> {
    let repository = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schema");
    let folder = env::args_os().nth(1).map_or_else(|| PathBuf::from(repository), PathBuf::from);
    let api = generate_api! {
        name: "ppr",
        instantiate: InstantiateMsg,
        execute: ExecuteMsg,
        query: QueryMsg,
        migrate: MigrateMsg,
    };
    let json = api.render().to_string().map_err(io::Error::other)?;
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("ppr.json"), json + "\n")
}
