//! The documents that the tests start from.

/// The five runbooks of examples/runbooks.
pub const RUNBOOKS: [(&str, &str); 5] = [
    ("000", include_str!("../../../../examples/runbooks/000-backend-release-2.1.0.zh.md")),
    ("001", include_str!("../../../../examples/runbooks/001-concurrent-migration.ja.md")),
    ("002", include_str!("../../../../examples/runbooks/002-cshine-update-guide.zh.md")),
    ("003", include_str!("../../../../examples/runbooks/003-postgresql-migration-sop.zh.md")),
    ("004", include_str!("../../../../examples/runbooks/004-update-protocol.zh.md")),
];

/// A document that uses everything and has no problem.
pub const WHOLE: &str = r#"---
release: 2.10
from: "2.0.9"
env: production
kind: feature
severity: critical
downtime: 5s
ticket: OPS-17
---
# 2.10 后端发布文档

## 数据库备份

```sh {#backup on=db timeout=15m}
mysqldump --single-transaction biz_core > biz_core.sql
```

## 停机发布

1. 复制数据

   ```sh {#copy on=app serial=25%}
   cp -r data data.old
   ```

   ```sh {#uncopy on=app undoes=copy}
   rm -r data.old
   ```

2. データの移行

   > ```mysql {#fill on=db undo=backup rows=115 batch=1000 online}
   > UPDATE `record` SET `s3_key` = '移行' WHERE record_id >= '100000';
   > ```

```postgresql {#schema on=db files="migrations/a b/*.sql" undo=backup}
```

```diff {#config on=app}
--- docker-compose.yml
-    image: svc-biz-core:2.0.9
+    image: svc-biz-core:2.1.0
```

```sh {prose}
docker ps
```

~~~sh {#purge on=app irreversible after=7d}
rm -r data.old
~~~

## 验证

- [ ] **两台**机器 `服务` 正常
  ```http {on=app within=60s}
  GET http://localhost:8080/health
  HTTP 200
  ```
- [x] 数据：老的 `.txt`，新的 `.pbd`
  1. nested
     - [ ] 日本語の確認

     ```sh {#look on=app readonly}
     docker ps
     ```
"#;

/// A document with something of everything that can be wrong.
pub const BROKEN: &str = r#"---
relase: 1
kind: featur
kind: x
downtime: 5
env: a/b
---
- [] no gate
- [ ]no gate
```sh
bare
```
```sql {#a on=b, on=c timout=3 rows=-1 "x" y= =z undo=nope undoes=a}
SELECT 1
```
```shell {#b}
```
> ```sh {#c readonly irreversible files="x
> a
b
<div>
```sh {#d}
</div>

	```sh {#e}
```markdown
```bash
```
- ```http {within=}
  GET
```sh {#f} x
"#;

/// Everything above.
pub fn all() -> Vec<&'static str> {
    RUNBOOKS.iter().map(|(_, text)| *text).chain([WHOLE, BROKEN]).collect()
}
