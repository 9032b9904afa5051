//! The lives of a fleet's instances, each a task of its own.

use std::collections::BTreeMap;
use std::rc::Rc;

use tokio::sync::watch;
use tombolo_domain::fleet::Instance;
use tombolo_domain::id::InstanceId;
use tombolo_tasks::Members;

use super::instance_task::{Life, Wanted};
use super::{FleetContext, INSTANCE};

/// The tasks, and where each is told what is wanted of it. Dropping it stops the tasks and leaves
/// the instances as they are.
pub(super) struct Lives {
    context: Rc<FleetContext>,
    tasks: Members<()>,
    wanted: BTreeMap<InstanceId, watch::Sender<Wanted>>,
}

impl Lives {
    pub(super) fn new(context: Rc<FleetContext>) -> Self {
        Lives {
            context,
            tasks: Members::new(INSTANCE),
            wanted: BTreeMap::new(),
        }
    }

    /// Tells each instance what is wanted of it; one that is being taken away is to end, whatever
    /// the others are to do.
    pub(super) fn want(&mut self, instances: &[Instance], wanted: &Wanted) {
        for instance in instances {
            let wanted = match instance.ending {
                true => Wanted::End,
                false => wanted.clone(),
            };
            match self
                .wanted
                .get(&instance.id)
                .filter(|told| !told.is_closed())
            {
                Some(told) => {
                    told.send_if_modified(|current| {
                        let is_new = *current != wanted;
                        *current = wanted;
                        is_new
                    });
                }
                None => self.begin(instance, wanted),
            }
        }
    }

    fn begin(&mut self, instance: &Instance, wanted: Wanted) {
        let (told, wanted) = watch::channel(wanted);
        let life = Life::new(self.context.clone(), instance.clone(), wanted);
        self.tasks.spawn(life.run());
        self.wanted.insert(instance.id.clone(), told);
    }

    /// Returns when a life is over.
    pub(super) async fn ended(&mut self) {
        self.tasks.ended().await;
        self.wanted.retain(|_, told| !told.is_closed());
    }
}
