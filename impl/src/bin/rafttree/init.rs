//! `rafttree init`: an explicit act, since a server that forgot its votes is a danger.

use std::path::PathBuf;

use clap::Args;
use rafttree::{ClusterId, Identity, ServerId};
use serde_json::json;

use crate::failure::Failure;
use crate::options::{Format, parse_server};
use crate::report::say;

#[derive(Args, Debug)]
pub(crate) struct InitOptions {
    /// Where the server will keep its data; it is created if it does not exist.
    pub(crate) directory: PathBuf,
    /// The cluster's id, 32 hexadecimal digits, or `new` for the first server of a new cluster.
    #[arg(long, value_name = "ID", value_parser = parse_cluster)]
    pub(crate) cluster: Cluster,
    /// The server's number, from 1 on. A number is never used again for another server.
    #[arg(long, value_parser = parse_server)]
    pub(crate) id: ServerId,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Cluster {
    New,
    Existing(ClusterId),
}

pub(crate) fn run(options: &InitOptions, output: Format) -> Result<(), Failure> {
    let cluster = match options.cluster {
        Cluster::New => ClusterId::random(),
        Cluster::Existing(cluster) => cluster,
    };
    let (directory, id) = (&options.directory, options.id);
    let incarnation = rafttree::init(directory, Identity { cluster, id }).map_err(Failure::operation)?;
    match output {
        Format::Text => say(format!("{} is now server {id} of cluster {cluster}", directory.display())),
        Format::Json => say(json!({
            "directory": directory.display().to_string(),
            "id": id,
            "cluster": cluster.to_string(),
            "incarnation": incarnation.to_string(),
        })),
    }
}

fn parse_cluster(text: &str) -> Result<Cluster, String> {
    match text {
        "new" => Ok(Cluster::New),
        _ => text.parse().map(Cluster::Existing).map_err(|error| format!("{error}, or `new` for a new cluster")),
    }
}
