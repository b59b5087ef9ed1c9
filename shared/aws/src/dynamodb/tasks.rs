//! Tasks of the small form upload: written once, read by id, ended by the table's TTL.

use sluice_core::{
    Error, Result,
    ids::TaskId,
    ports::TaskRepository,
    task::{TASK_TTL, Task},
};

use super::{DynamoTable, schema, schema::Item};

impl TaskRepository for DynamoTable {
    async fn create(&self, task: &Task) -> Result<()> {
        let mut item: Item = serde_dynamo::to_item(task).map_err(Error::internal)?;
        item.extend(schema::task_key(task.id));
        let ends = task.created_at.plus(TASK_TTL).as_seconds();
        item.insert(schema::EXPIRES_AT.to_owned(), schema::number(ends));
        self.put(item).await
    }

    async fn get(&self, id: TaskId) -> Result<Option<Task>> {
        let found = self.read(schema::task_key(id)).await?;
        found.map(|item| serde_dynamo::from_item(item).map_err(Error::internal)).transpose()
    }
}
