# 人が読むページの文言。en.ftl・zh.ftl・ja.ftl のメッセージと変数は一致していること。

## 変更申請書と作業記録

page-ticket = 申請番号
page-from = 変更前バージョン
page-env = 環境
page-document = リリース文書
page-document-is = { $name }（SHA-256 { $sha256 }）
page-plan = 計画ダイジェスト
page-class = 切り戻し区分
page-approved = 承認
page-join = 、
page-when-by = { $when }、{ $who }
page-steps = 手順
page-details = 詳細
page-step = { $step }（{ $line } 行目）
page-head-step = 手順
page-head-line = 行
page-head-host = ホスト
page-head-state = 状態
page-head-start = 開始
page-head-duration = 所要時間
page-head-class = 切り戻し区分
page-head-note = 備考
page-head-when = 日時
page-head-who = 担当
page-head-what = 内容
page-head-about = 対象
page-head-words = コメント
page-head-on = 実行先
page-head-undo = 切り戻し方法
page-head-undo-duration = 切り戻し時間
page-head-rows = 行数
page-head-back = 切り戻し結果
page-head-receiver = 通知先
page-head-moment = 時点

## 作業記録

record-title = 作業記録：リリース { $release }
record-log = 作業記録
record-log-title = { $day } { $release }
record-result = 結果
record-run = 実行 ID
record-started = 開始
record-against = ポリシー違反での実行
record-against-by = { $who }：{ $why }
record-policy-said = ポリシーの制限
record-ended = 終了
record-last = 最終イベント
record-worked = { $when }、作業時間 { $took }
record-checks = 確認項目
record-checks-count = { $state } { $count } 件
record-downtime = 停止時間（実測）
record-none-held = 保留されたリクエストなし
record-not-measured = 未計測
record-held = 保留リクエスト { $requests } 件、通信の保留は合計 { $total }、最長 { $longest }
record-way-back = 切り戻し時間
record-hosts = ホスト
record-controller = 実行プロセス
record-people = 確認と判断
record-notices = 通知
outcome-delivered = 送達
outcome-refused = 拒否
outcome-failed = 未達
outcome-unsent = 未送信
record-turns = 方向の変更
record-turned-forward = 再び前進
record-turned-back = 切り戻しへ
record-turned-person = 人の判断待ち
record-turn-because = { $turn }、原因 { $unit }：{ $why }
record-units-back = { $count } 単位を切り戻しました。
record-tries = 、試行 { $count } 回
record-planned = 計画：{ $what }
record-changed = 変更：{ $what }
record-failed = 失敗：{ $why }
record-confirmed = 確認者：{ $who }
record-undo = 切り戻し方法（{ $class }）：{ $how }
record-taken-back = 切り戻し：{ $what }
record-undo-failed = 切り戻し失敗：{ $why }

## 変更申請書

ticket-title = 変更申請書：リリース { $release }
ticket-release = リリース
ticket-kind = 種別
ticket-due = 実施期限
ticket-severity = 緊急度
ticket-class-is = { $class }：{ $means }
ticket-downtime = 停止時間（予定）
ticket-downtime-predicted = リハーサルによる予測 { $time }
ticket-downtime-budget = 上限 { $time }、超えた場合は自動で切り戻し
ticket-downtime-unknown = 上限も予測もなし
ticket-rehearsal = リハーサル
ticket-not-rehearsed = 未実施
ticket-rehearsal-stale = 期限切れ：{ $when } に実施、その後の変更：{ $steps }
ticket-rehearsal-good = 問題なし、{ $when }
ticket-rehearsal-problems = 問題あり、{ $when }
ticket-window = 作業時間帯
ticket-window-any = 制限なし
ticket-window-in = { $windows }（{ $zone }）
ticket-freeze = 作業禁止日
ticket-approvals = 承認数
ticket-approvals-none = 承認不要
ticket-approvals-have = { $have } 件（必要 { $need } 件）
ticket-approvals-others = { $have } 件（必要 { $need } 件、文書の作成者を除く）
ticket-executor = 作業者
ticket-executor-open = 未定。実際の作業者は作業記録に残ります
ticket-made = 作成
ticket-about = 変更内容と理由
ticket-on-person = 人
ticket-on-here = このマシン
ticket-after = 開始から { $time } 以降に実行。
ticket-closed = パスワードを含むため、ここには表示しません
ticket-now = 現状：{ $what }
ticket-problem = 今実行すると失敗：{ $why }
ticket-way-back = 切り戻し手順
ticket-way-back-how = 次の順に行います。実行が失敗すると自動で、その後は `windlass rollback` で切り戻します。
ticket-undo-script = 手書きの手順 #{ $step } による：{ $lines }
ticket-left-out = リハーサル対象外（SQL ではない、または複製で試せない）：{ $units }
ticket-findings = 検査結果
ticket-finding = { $severity }、{ $line } 行目：{ $message }（{ $rule }）

## 種別と緊急度

kind-feature = 新機能
kind-fix = 不具合修正
kind-performance = 性能改善
kind-security = セキュリティ修正
urgency-critical = 必須：直ちに
urgency-recommended = 推奨：数日以内
urgency-optional = 任意：次回まとめて
severity-note = 参考
severity-warning = 警告
severity-error = エラー

## 切り戻し区分

class-readonly = 読み取りのみ
class-exact = 完全
class-lossy = 一部欠落
class-restore = バックアップから
class-none = 不可
class-means-readonly = 元に戻すべき変更はありません
class-means-exact = すべて元に戻ります
class-means-lossy = リリース後に書き込まれた一部が、失われるか残ります
class-means-restore = バックアップからのみ戻せます
class-means-none = 元に戻せない部分があります

## リハーサルでの切り戻し結果

verdict-exact = 完全一致
verdict-column-order = 列順のみ相違
verdict-different = 不一致
verdict-cannot-undo = 切り戻し不可
verdict-readonly = 読み取りのみ
verdict-failed = 失敗
verdict-not-reached = 未到達

## 結果

result-done = 成功
result-undone = 切り戻し済み
result-abandoned = 失敗（一部の変更が残存）
result-needs-a-person = 失敗（人の判断待ち）
result-not-finished = 未完了

## 単位の状態

state-undoing = 切り戻し中
state-undone = 切り戻し済み
state-undo-failed = 切り戻し失敗
state-undo-paused = 切り戻し中断
state-undo-failed-partly = 切り戻し一部失敗
state-undo-unknown = 切り戻し結果不明
state-left-in-place = 残置
state-waiting = 待機
state-running = 実行中
state-done-by-hand = 手動で完了
state-confirmed = 確認済み
state-passed = 合格
state-applied = 実行済み
state-no-effect = 変更不要
state-failed = 失敗
state-paused = 中断
state-failed-partly = 一部失敗
state-unknown = 結果不明
state-skipped = スキップ

## 単位に起きた問題

trouble-failed = 失敗、変更なし
trouble-partly = 失敗、変更された可能性あり
trouble-unknown = 結果不明
trouble-undo-failed = 切り戻し失敗
trouble-undo-partly = 切り戻しが途中で失敗
trouble-undo-unknown = 切り戻し結果不明

## 人の操作

decision-confirm = 確認
decision-edit = 文書の編集
decision-retry = 再試行
decision-skip = スキップ
decision-mark-done = 完了扱い
decision-unwind = 切り戻し
decision-abandon = 中止

## サービスとホストの観測

seen-no-controller = 実行プロセスのない { $time } は未計測
seen-not-measured-since = { $when } 以降は未計測
seen-why = （{ $why }）
seen-down-all-along = { $service } はリリース前も後も応答がなく、停止時間に数えません{ $why }
seen-down-before = 。リリース前は応答がなく、応答した時点から数えています
seen-up = { $service }：失敗したリクエストなし{ $before }
seen-longest = 、連続で最長 { $time }
seen-down-since = 。{ $when } から応答がありません
seen-down = { $service } の停止 { $time }{ $more }
seen-exceeded-since = 、{ $when } から
seen-exceeded = 停止時間の上限 { $budget } を { $unit } で超過：{ $service } へのリクエストが { $time } 失敗{ $since }
seen-back-too-long = { $time }、上限 { $budget } を超過
seen-back-in-time = { $time }、上限 { $budget } 以内
seen-service-on = { $service }（{ $host }）
seen-stopped = { $service } は { $time } 停止
seen-not-started = { $service } は { $time } に停止し、再起動されていません
seen-restarted = { $service } を再起動、所要 { $time }
seen-spread = { $hosts } 台を { $time } 以内に切り替え

## 通知

notice-title = Windlass：リリース { $release }：{ $what }
notice-test = Windlass：{ $name } へのテスト通知
notice-starts = 開始
notice-goes-on = 再開
notice-rollback = 切り戻し開始
notice-failed-undone = 失敗、切り戻し済み
notice-broken = エラーにより中断
notice-waits-gate = 確認待ち
notice-waits-time = 実行時刻待ち
notice-stopped = 停止中、再開可能
notice-release = バージョン
notice-who = 実行者
notice-failed = 失敗したステップ
notice-waits = 待機中のステップ
notice-not-before = 最早時刻
notice-took = 実行時間
notice-next = 次のコマンド
