//! What became of each command line of the runbook.

use crate::lexicon::{Language, Role};
use windlass_document::Span;

/// A command line of the runbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// As it is written, without prompt.
    pub text: String,
    /// Where, in the runbook.
    pub span: Span,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A line of this step of the draft.
    Step(String),
    /// A file to be edited: the step with the `diff` to complete.
    Edit(String),
    /// `ssh`: a target of the configuration.
    Target(String),
    /// `cd`: the folder of a target, or of the steps behind it.
    Folder,
    /// Left out.
    Left(Reason),
}

/// Why a command line is no step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It takes the release back: the journal does that.
    WayBack,
    /// It is for when something is wrong.
    Trouble,
    /// It stands in an example.
    Example,
    /// A developer does it before the release.
    Local,
    /// It is for some day, or for a machine to do.
    Later,
    /// It repeats what stands before, in this line.
    Repeats(usize),
    /// Another way to do the same as the part of this name.
    OtherWay(String),
    /// It goes on until somebody stops it.
    NeverEnds,
    /// It opens a console; statements are steps of their own.
    Console,
    /// It only ends a session.
    Leaves,
    /// It becomes another user for the lines behind it.
    OtherUser,
    /// A comment.
    Comment,
    /// A sentence mentions it.
    Mentioned,
    /// Content of a file, or a language that is not run.
    Content(String),
    /// A line of a table of times for cron.
    Scheduled,
    /// It tells something to who runs the script.
    Tells,
    /// It asks who runs the script; a step cannot be answered.
    Asks,
    /// It sets how the script goes on after an error: steps stop by themselves.
    StopsItself,
}

impl Reason {
    /// The reason why a part of this role has no steps.
    pub(crate) fn of(role: Role) -> Option<Self> {
        match role {
            Role::Forward | Role::Verify => None,
            Role::Back => Some(Self::WayBack),
            Role::Trouble => Some(Self::Trouble),
            Role::Example => Some(Self::Example),
            Role::Local => Some(Self::Local),
            Role::Later => Some(Self::Later),
            Role::Again => Some(Self::Repeats(0)),
        }
    }

    /// For people, in the language of the runbook.
    #[must_use]
    pub fn words(&self, language: Language) -> String {
        let pick = |en, zh, ja| language.pick(en, zh, ja).to_owned();
        match self {
            Self::WayBack => pick(
                "it takes the release back; `windlass rollback` does that from the journal",
                "这是回滚：`windlass rollback` 会按日志回退",
                "切り戻しの手順。`windlass rollback` がジャーナルから戻す",
            ),
            Self::Trouble => {
                pick("it is for when something is wrong", "出问题时才用", "問題が起きたときだけ使う")
            }
            Self::Example => pick("it stands in an example", "只是示例", "例として書かれている"),
            Self::Local => pick(
                "a developer does it before the release",
                "发布前由开发人员在本地完成",
                "リリース前に開発者が行う",
            ),
            Self::Later => {
                pick("it is not part of this release", "不属于本次发布", "今回のリリースには含まれない")
            }
            Self::Repeats(0) => {
                pick("it sums up what stands above", "总结上文，重复内容", "上の内容のまとめ")
            }
            Self::Repeats(line) => language
                .pick("it repeats line {} of the runbook", "与原文第 {} 行重复", "元の手順書の {} 行目と同じ")
                .replace("{}", &line.to_string()),
            Self::OtherWay(way) => language
                .pick("another way to do the same as \"{}\"", "与“{}”二选一", "「{}」とどちらか一方を行う")
                .replace("{}", way),
            Self::NeverEnds => pick(
                "it goes on until somebody stops it",
                "它不会自己结束（需要人看着）",
                "自分では終わらない（人が見るもの）",
            ),
            Self::Console => pick("it opens a console", "打开数据库控制台", "データベースのコンソールを開く"),
            Self::Leaves => pick("it only ends a session", "只是退出会话", "セッションを終えるだけ"),
            Self::OtherUser => pick(
                "it becomes another user: name that user in `hosts`",
                "切换用户：请把该用户写进 `hosts`",
                "別のユーザーになる。`hosts` に書く",
            ),
            Self::Comment => pick("it is a comment", "只是注释", "コメント"),
            Self::Mentioned => pick("a sentence mentions it", "只是文中提到", "文中で触れているだけ"),
            Self::Content(what) => language
                .pick("content of a file ({})", "文件内容（{}）", "ファイルの内容（{}）")
                .replace("{}", what),
            Self::Scheduled => pick("a line of a crontab", "定时任务的一行", "crontab の行"),
            Self::Tells => pick("it only tells something", "只是提示信息", "表示するだけ"),
            Self::Asks => pick(
                "it asks who runs the script; a step cannot be answered",
                "它会提问，步骤无法回答",
                "実行者に尋ねる。ステップは答えられない",
            ),
            Self::StopsItself => {
                pick("steps stop at an error by themselves", "步骤出错会自动停止", "ステップはエラーで止まる")
            }
        }
    }
}
