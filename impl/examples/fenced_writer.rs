//! Two leaderships and one file: the fence keeps the former leader from writing, whatever it believes.
//!
//! `cargo run -p rafttree --example fenced_writer`

use rafttree::{ClusterId, Fence, FenceGuard, Lost, Node, StaleFence, Then};
use tokio::sync::mpsc;

/// The protected resource. A real one keeps the fence with its data, and checks and changes both in
/// one transaction.
#[derive(Default)]
struct Resource {
    guard: FenceGuard,
    text: String,
}

impl Resource {
    fn write(&mut self, fence: Fence, text: &str) -> Result<(), StaleFence> {
        self.guard.admit(fence)?;
        text.clone_into(&mut self.text);
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let place = tempfile::tempdir()?;
    // A group of one elects itself again and again; a larger one does the same with other servers.
    let node = Node::builder(place.path().join("1")).id(1).init(ClusterId::random()).start().await?;
    let (tell, mut fences) = mpsc::unbounded_channel();
    tokio::spawn(node.lead(async move |leadership| {
        tell.send(leadership.fence()).map_err(|_| Lost::Stopped)?;
        leadership.lost().await;
        Ok::<_, Lost>(Then::Resign)
    }));
    let mut resource = Resource::default();
    let former = fences.recv().await.ok_or("nobody leads")?;
    resource.write(former, "the first leader was here")?;
    node.step_down().await?;
    let present = fences.recv().await.ok_or("nobody leads")?;
    resource.write(present, "the second leader was here")?;
    // A write that was on its way for long, or a leader that slept and does not know.
    match resource.write(former, "the first leader again") {
        Ok(()) => return Err("a stale write was taken".into()),
        Err(stale) => println!("refused: {stale}"),
    }
    println!("it reads: {}", resource.text);
    node.shutdown().await?;
    Ok(())
}
