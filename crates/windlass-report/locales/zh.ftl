# 给人看的页面上的文字。en.ftl、zh.ftl、ja.ftl 的消息及其变量必须一致。

## 变更单与更新记录

page-ticket = 变更单号
page-from = 原版本
page-env = 环境
page-document = 发布文档
page-document-is = { $name }（SHA-256 { $sha256 }）
page-plan = 计划摘要
page-class = 回滚级别
page-approved = 已审批
page-join = ；
page-when-by = { $when }，{ $who }
page-steps = 步骤
page-details = 明细
page-step = { $step }（第 { $line } 行）
page-head-step = 步骤
page-head-line = 行
page-head-host = 主机
page-head-state = 状态
page-head-start = 开始时间
page-head-duration = 用时
page-head-class = 回滚级别
page-head-note = 备注
page-head-when = 时间
page-head-who = 人员
page-head-what = 内容
page-head-about = 对象
page-head-words = 说明
page-head-on = 目标
page-head-undo = 回滚方式
page-head-undo-duration = 回滚用时
page-head-rows = 行数
page-head-back = 回滚结果
page-head-receiver = 接收方
page-head-moment = 时机

## 更新记录

record-title = 更新记录：{ $release }
record-log = 更新记录
record-log-title = { $day } { $release }
record-result = 更新结果
record-run = 运行编号
record-started = 开始
record-against = 违反策略执行
record-against-by = { $who }：{ $why }
record-policy-said = 策略的限制
record-ended = 结束
record-last = 最近事件
record-worked = { $when }，执行用时 { $took }
record-checks = 检查
record-checks-count = { $state } { $count } 项
record-downtime = 实测停机时间
record-none-held = 没有请求被暂存
record-not-measured = 未测量
record-held = 暂存请求 { $requests } 个；流量共暂停 { $total }，单次最长 { $longest }
record-way-back = 回滚用时
record-hosts = 主机
record-controller = 执行进程
record-people = 人工确认与决定
record-notices = 通知
outcome-delivered = 已送达
outcome-refused = 被拒绝
outcome-failed = 未送达
outcome-unsent = 未发送
record-turns = 方向变更
record-turned-forward = 继续执行
record-turned-back = 转为回滚
record-turned-person = 等待人工处理
record-turn-because = { $turn }，起因 { $unit }：{ $why }
record-units-back = 已回滚 { $count } 个单元。
record-tries = ，共尝试 { $count } 次
record-planned = 计划：{ $what }
record-changed = 变更：{ $what }
record-failed = 失败：{ $why }
record-confirmed = 确认人：{ $who }
record-undo = 回滚方式（{ $class }）：{ $how }
record-taken-back = 已回滚：{ $what }
record-undo-failed = 回滚失败：{ $why }

## 变更单

ticket-title = 变更单：{ $release }
ticket-release = 发布版本
ticket-kind = 更新类型
ticket-due = 更新期限
ticket-severity = 是否必须
ticket-class-is = { $class }：{ $means }
ticket-downtime = 预计停机时间
ticket-downtime-predicted = 演练预测 { $time }
ticket-downtime-budget = 上限 { $time }，超出则自动回滚
ticket-downtime-unknown = 未设上限，也没有预测
ticket-rehearsal = 演练
ticket-not-rehearsed = 未演练
ticket-rehearsal-stale = 已过期：{ $when } 演练，此后有改动：{ $steps }
ticket-rehearsal-good = 通过，{ $when }
ticket-rehearsal-problems = 发现问题，{ $when }
ticket-window = 时间窗口
ticket-window-any = 不限
ticket-window-in = { $windows }（{ $zone }）
ticket-freeze = 禁止发布日
ticket-approvals = 审批
ticket-approvals-none = 无需审批
ticket-approvals-have = 已有 { $have } 个，需要 { $need } 个
ticket-approvals-others = 已有 { $have } 个，需要 { $need } 个，文档作者除外
ticket-executor = 执行人
ticket-executor-open = 未指定；更新记录会写明实际执行人
ticket-made = 生成
ticket-about = 更新内容
ticket-on-person = 人工
ticket-on-here = 本机
ticket-after = 最早在开始 { $time } 后执行。
ticket-closed = 含有密码，此处不显示
ticket-now = 现状：{ $what }
ticket-problem = 现在执行会失败：{ $why }
ticket-way-back = 回滚方案
ticket-way-back-how = 按以下顺序。执行失败时自动回滚；之后可用 `windlass rollback` 回滚。
ticket-undo-script = 由手写步骤 #{ $step } 回滚：{ $lines }
ticket-left-out = 未演练（不是 SQL，或无法在副本上试运行）：{ $units }
ticket-findings = 检查发现
ticket-finding = { $severity }，第 { $line } 行：{ $message }（{ $rule }）

## 更新类型与紧急程度

kind-feature = 新功能
kind-fix = Bug 修复
kind-performance = 性能优化
kind-security = 安全补丁
urgency-critical = 必须：立即更新
urgency-recommended = 建议：数日内更新
urgency-optional = 可选：随下次集中更新
severity-note = 提示
severity-warning = 警告
severity-error = 错误

## 回滚级别

class-readonly = 只读
class-exact = 完全恢复
class-lossy = 有损恢复
class-restore = 从备份恢复
class-none = 不可回滚
class-means-readonly = 没有需要恢复的改动
class-means-exact = 可以全部恢复
class-means-lossy = 发布后写入的数据，回滚时有一部分会丢失，或残留而不会撤回
class-means-restore = 只能从备份恢复
class-means-none = 有一部分无法回滚

## 演练中各语句的回滚结果

verdict-exact = 完全恢复
verdict-column-order = 仅列顺序不同
verdict-different = 不一致
verdict-cannot-undo = 无法回滚
verdict-readonly = 只读
verdict-failed = 失败
verdict-not-reached = 未执行到

## 更新结果

result-done = 成功
result-undone = 已回滚
result-abandoned = 失败（部分改动保留）
result-needs-a-person = 失败（等待人工处理）
result-not-finished = 未完成

## 单元状态

state-undoing = 回滚中
state-undone = 已回滚
state-undo-failed = 回滚失败
state-undo-paused = 回滚暂停
state-undo-failed-partly = 回滚部分失败
state-undo-unknown = 回滚结果未知
state-left-in-place = 保留未回滚
state-waiting = 等待
state-running = 执行中
state-done-by-hand = 人工完成
state-confirmed = 已确认
state-passed = 通过
state-applied = 已执行
state-no-effect = 无需变更
state-failed = 失败
state-paused = 暂停
state-failed-partly = 部分失败
state-unknown = 结果未知
state-skipped = 已跳过

## 单元出了什么问题

trouble-failed = 失败，没有产生改动
trouble-partly = 失败，可能已产生改动
trouble-unknown = 结果未知
trouble-undo-failed = 回滚失败
trouble-undo-partly = 回滚中途失败
trouble-undo-unknown = 回滚结果未知

## 人工操作

decision-confirm = 确认
decision-edit = 修改文档
decision-retry = 重试
decision-skip = 跳过
decision-mark-done = 标记完成
decision-unwind = 回滚
decision-abandon = 放弃

## 对服务与主机的观察

seen-no-controller = 有 { $time } 没有执行进程，未测量
seen-not-measured-since = 自 { $when } 起未测量
seen-why = （{ $why }）
seen-down-all-along = { $service } 发布前和发布后都没有应答，不计入停机{ $why }
seen-down-before = ；发布前没有应答，自恢复应答起计算
seen-up = { $service }：没有请求失败{ $before }
seen-longest = ，单次最长 { $time }
seen-down-since = ；自 { $when } 起没有应答
seen-down = { $service } 停机 { $time }{ $more }
seen-exceeded-since = ，自 { $when } 起
seen-exceeded = 停机时间超过上限 { $budget }，在 { $unit }：{ $service } 的请求已失败 { $time }{ $since }
seen-back-too-long = { $time }，超过上限 { $budget }
seen-back-in-time = { $time }，未超过上限 { $budget }
seen-service-on = { $service }（{ $host }）
seen-stopped = { $service } 停止了 { $time }
seen-not-started = { $service } 于 { $time } 停止，未再启动
seen-restarted = { $service } 重启，用时 { $time }
seen-spread = { $hosts } 台主机在 { $time } 内切换完成

## 通知

notice-title = Windlass：发布 { $release }：{ $what }
notice-test = Windlass：发往 { $name } 的测试通知
notice-starts = 开始
notice-goes-on = 继续执行
notice-rollback = 开始回滚
notice-failed-undone = 失败，已回滚
notice-broken = 因错误中断
notice-waits-gate = 等待确认
notice-waits-time = 等待执行时间
notice-stopped = 已停止，可继续
notice-release = 版本
notice-who = 执行人
notice-failed = 失败步骤
notice-waits = 等待步骤
notice-not-before = 最早时间
notice-took = 执行用时
notice-next = 后续命令
