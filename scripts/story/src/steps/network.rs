//! Step 1: the network is up, the contracts are deployed, three hospitals are admitted.

use anyhow::Result;

use crate::{people::Hospital, world::World};

/// Runs the step.
pub async fn run(world: &mut World) -> Result<()> {
    println!("   network: {}", world.network.up().await?);
    let manifest = world.network.manifest()?;
    for (name, address) in [
        ("registrar", manifest.contracts.registrar),
        ("ppr", manifest.contracts.ppr),
        ("summary", manifest.contracts.summary),
    ] {
        println!("   contract {name} at {}", address.to_bech32(&manifest.params.prefix));
    }
    for (i, name) in ["Hospital A", "Hospital B", "Hospital C"].into_iter().enumerate() {
        let port = world.base_port + 100 + 10 * i as u16;
        let dir = world.dir.join(["a", "b", "c"][i]);
        let programs = (world.casewise.as_path(), world.agent.as_path());
        let hospital = Hospital::found(name, dir, (port, port + 1), programs, &world.network).await?;
        println!("   {name} is institution {}; its agent serves on port {port}", hospital.number);
        world.hospitals.push(hospital);
    }
    Ok(())
}
