# What stands on pages for people. Every message stands in each of en.ftl, zh.ftl and ja.ftl, with the same values.

## Tickets and records

page-ticket = Ticket
page-from = From version
page-env = Environment
page-document = Document
page-document-is = { $name } (SHA-256 { $sha256 })
page-plan = Plan
page-class = Undo class
page-approved = Approved
page-join = { "; " }
page-when-by = { $when } by { $who }
page-steps = Steps
page-details = Details
page-step = { $step } (line { $line })
page-head-step = step
page-head-line = line
page-head-host = host
page-head-state = state
page-head-start = start
page-head-duration = duration
page-head-class = undo class
page-head-note = note
page-head-when = when
page-head-who = who
page-head-what = what
page-head-about = about
page-head-words = words
page-head-on = where
page-head-undo = how it is undone
page-head-undo-duration = undo
page-head-rows = rows
page-head-back = way back
page-head-receiver = receiver
page-head-moment = moment

## Records

record-title = Record of release { $release }
record-log = Update log
record-log-title = { $day } { $release }
record-result = Result
record-run = Run
record-started = Started
record-against = Against the policy
record-against-by = { $who }: { $why }
record-policy-said = What the policy said
record-ended = Ended
record-last = Last event
record-worked = { $when }, { $took } of work
record-checks = Checks
record-checks-count = { $count } { $state }
record-downtime = Downtime seen
record-none-held = no request was held
record-not-measured = not measured
record-held =
    { $requests ->
        [one] 1 request held
       *[other] { $requests } requests held
    }; traffic was held for { $total } in all, at most { $longest } at a time
record-way-back = Way back
record-hosts = Hosts
record-controller = Controller
record-people = Confirmations and decisions
record-notices = Notices
outcome-delivered = delivered
outcome-refused = refused
outcome-failed = not delivered
outcome-unsent = not sent
record-turns = Changes of direction
record-turned-forward = forward again
record-turned-back = back
record-turned-person = waiting for a person
record-turn-because = { $turn } because of { $unit }: { $why }
record-units-back =
    { $count ->
        [one] 1 unit taken back.
       *[other] { $count } units taken back.
    }
record-tries = , { $count } tries
record-planned = planned: { $what }
record-changed = changed: { $what }
record-failed = failed: { $why }
record-confirmed = confirmed by { $who }
record-undo = way back ({ $class }): { $how }
record-taken-back = taken back: { $what }
record-undo-failed = undo failed: { $why }

## Tickets

ticket-title = Change ticket: release { $release }
ticket-release = Release
ticket-kind = Kind
ticket-due = Due by
ticket-severity = Urgency
ticket-class-is = { $class }: { $means }
ticket-downtime = Downtime
ticket-downtime-predicted = predicted by the rehearsal: { $time }
ticket-downtime-budget = at most { $time }; a release that takes more goes back
ticket-downtime-unknown = no bound is set, and none was predicted
ticket-rehearsal = Rehearsal
ticket-not-rehearsed = not rehearsed
ticket-rehearsal-stale = out of date: rehearsed at { $when }, changed since: { $steps }
ticket-rehearsal-good = went well at { $when }
ticket-rehearsal-problems = found problems at { $when }
ticket-window = Window
ticket-window-any = at any time
ticket-window-in = { $windows } ({ $zone })
ticket-freeze = Not on
ticket-approvals = Approvals
ticket-approvals-none = none needed
ticket-approvals-have = { $have } of { $need }
ticket-approvals-others = { $have } of { $need }, from people who did not write the document
ticket-executor = Executor
ticket-executor-open = not named; the record says who did it
ticket-made = Ticket made
ticket-about = What and why
ticket-on-person = a person
ticket-on-here = this machine
ticket-after = No sooner than { $time } after the start.
ticket-closed = has a password, and is not shown here
ticket-now = now: { $what }
ticket-problem = it would fail now: { $why }
ticket-way-back = Way back
ticket-way-back-how = In this order. A run that fails does it by itself; afterwards `windlass rollback` does it.
ticket-undo-script = by the hand-written #{ $step }: { $lines }
ticket-left-out = Not rehearsed, since it is no SQL or cannot be tried on a copy: { $units }
ticket-findings = Findings
ticket-finding = { $severity }, line { $line }: { $message } ({ $rule })

## Kinds of changes, and how urgent they are

kind-feature = feature
kind-fix = fix
kind-performance = performance
kind-security = security
urgency-critical = critical: at once
urgency-recommended = recommended: within days
urgency-optional = optional: with the next batch
severity-note = note
severity-warning = warning
severity-error = error

## The way back

class-readonly = readonly
class-exact = exact
class-lossy = lossy
class-restore = restore
class-none = none
class-means-readonly = it changes nothing that has to come back
class-means-exact = everything comes back
class-means-lossy = something written since the release is lost or stays on the way back
class-means-restore = back only from a backup
class-means-none = a part of it has no way back

## How the undo of a rehearsed statement went

verdict-exact = exact
verdict-column-order = equal but column order
verdict-different = different
verdict-cannot-undo = cannot undo
verdict-readonly = reads only
verdict-failed = failed
verdict-not-reached = not reached

## Results of runs

result-done = done
result-undone = undone
result-abandoned = abandoned
result-needs-a-person = needs a person
result-not-finished = not finished

## States of units

state-undoing = undoing
state-undone = undone
state-undo-failed = undo failed
state-undo-paused = undo paused
state-undo-failed-partly = undo failed partly
state-undo-unknown = undo unknown
state-left-in-place = left in place
state-waiting = waiting
state-running = running
state-done-by-hand = done by hand
state-confirmed = confirmed
state-passed = passed
state-applied = applied
state-no-effect = no effect
state-failed = failed
state-paused = paused
state-failed-partly = failed partly
state-unknown = unknown
state-skipped = skipped

## What went wrong with a unit

trouble-failed = failed, nothing was changed
trouble-partly = failed, and may have changed something
trouble-unknown = its outcome is not known
trouble-undo-failed = its undo failed
trouble-undo-partly = its undo failed half-way
trouble-undo-unknown = the outcome of its undo is not known

## What people did

decision-confirm = confirm
decision-edit = edit
decision-retry = retry
decision-skip = skip
decision-mark-done = mark-done
decision-unwind = unwind
decision-abandon = abandon

## What was seen of services and hosts

seen-no-controller = not measured for { $time } in which no controller worked on it
seen-not-measured-since = not measured since { $when }
seen-why = { " " }({ $why })
seen-down-all-along = { $service } did not answer before the release nor since, so nothing is counted{ $why }
seen-down-before = ; it did not answer before the release, and is counted since it did
seen-up = { $service }: no request failed{ $before }
seen-longest = , at most { $time } in one piece
seen-down-since = ; it has not answered since { $when }
seen-down = { $service } was down for { $time }{ $more }
seen-exceeded-since = , since { $when }
seen-exceeded = the downtime budget of { $budget } was exceeded at { $unit }: requests of { $service } had failed for { $time }{ $since }
seen-back-too-long = { $time }, more than the budget of { $budget }
seen-back-in-time = { $time }, within the budget of { $budget }
seen-service-on = { $service } on { $host }
seen-stopped = { $service } was stopped for { $time }
seen-not-started = { $service } was stopped { $time } and not started again
seen-restarted = { $service } was restarted, which took { $time }
seen-spread =
    switched on { $hosts ->
        [one] 1 host
       *[other] { $hosts } hosts
    } within { $time }

## Notices

notice-title = Windlass: release { $release }: { $what }
notice-test = Windlass: a test of the notices to { $name }
notice-starts = starts
notice-goes-on = goes on
notice-rollback = is being taken back
notice-failed-undone = failed and undone
notice-broken = stopped by an error
notice-waits-gate = waits for a confirmation
notice-waits-time = waits for its time
notice-stopped = stopped, to be resumed
notice-release = Release
notice-who = By
notice-failed = Failed
notice-waits = Waits for
notice-not-before = Not before
notice-took = Time of work
notice-next = Next
