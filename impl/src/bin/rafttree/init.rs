//! `rafttree init`: an explicit act, since a server that forgot its votes is a danger.

use rafttree::{ClusterId, Identity};
use serde_json::json;

use crate::arguments::{Cluster, Format, InitOptions};
use crate::failure::Failure;
use crate::report::say;

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
