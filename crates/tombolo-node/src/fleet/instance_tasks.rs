//! The tasks of a fleet's instances.

use std::collections::BTreeMap;
use std::rc::Rc;

use tokio::sync::watch;
use tombolo_domain::fleet::Instance;
use tombolo_domain::id::InstanceId;
use tombolo_tasks::Members;

use super::instance_task::{InstanceGoal, InstanceTask};
use super::{FleetContext, INSTANCE};

/// The tasks, and where each is told what is wanted of it. Dropping it stops the tasks and leaves
/// the instances as they are.
pub(super) struct InstanceTasks {
    context: Rc<FleetContext>,
    tasks: Members<()>,
    wanted: BTreeMap<InstanceId, watch::Sender<InstanceGoal>>,
}

impl InstanceTasks {
    pub(super) fn new(context: Rc<FleetContext>) -> Self {
        InstanceTasks {
            context,
            tasks: Members::new(INSTANCE),
            wanted: BTreeMap::new(),
        }
    }

    /// Tells each instance what is wanted of it; one that is being taken away is to end, whatever
    /// the others are to do.
    pub(super) fn want(&mut self, instances: &[Instance], wanted: &InstanceGoal) {
        for instance in instances {
            let wanted = match instance.ending {
                true => InstanceGoal::End,
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

    fn begin(&mut self, instance: &Instance, wanted: InstanceGoal) {
        let (told, wanted) = watch::channel(wanted);
        let task = InstanceTask::new(self.context.clone(), instance.clone(), wanted);
        self.tasks.spawn(task.run());
        self.wanted.insert(instance.id.clone(), told);
    }

    /// Returns when one of them has ended.
    pub(super) async fn ended(&mut self) {
        self.tasks.ended().await;
        self.wanted.retain(|_, told| !told.is_closed());
    }
}
