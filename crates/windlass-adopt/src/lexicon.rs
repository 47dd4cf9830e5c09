//! Words that people write in English, Chinese and Japanese. They only sort what the parsers have found: a word never makes a
//! command.

/// The language of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English, and all else.
    En,
    /// Chinese.
    Zh,
    /// Japanese.
    Ja,
}

impl From<windlass_plan::Lang> for Language {
    fn from(lang: windlass_plan::Lang) -> Self {
        match lang {
            windlass_plan::Lang::En => Self::En,
            windlass_plan::Lang::Zh => Self::Zh,
            windlass_plan::Lang::Ja => Self::Ja,
        }
    }
}

impl Language {
    /// By its letters: kana make a text Japanese.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let (mut kana, mut han, mut latin) = (0_usize, 0_usize, 0_usize);
        for c in text.chars() {
            match c {
                'ぁ'..='ヺ' => kana += 1,
                '\u{4e00}'..='\u{9fff}' => han += 1,
                'a'..='z' | 'A'..='Z' => latin += 1,
                _ => {}
            }
        }
        match () {
            () if kana > 10 || kana > han / 4 && kana > 0 => Self::Ja,
            () if han > 10 || han > 0 && han * 4 > latin => Self::Zh,
            () => Self::En,
        }
    }

    /// One of three texts.
    pub(crate) fn pick<'t>(self, en: &'t str, zh: &'t str, ja: &'t str) -> &'t str {
        match self {
            Self::En => en,
            Self::Zh => zh,
            Self::Ja => ja,
        }
    }
}

/// What a part of a runbook is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// It is to be done.
    Forward,
    /// It is looked at afterwards.
    Verify,
    /// What is done when it went wrong: the way back.
    Back,
    /// What is done when something is wrong.
    Trouble,
    /// Only an example.
    Example,
    /// What a developer does before.
    Local,
    /// What may be done some day, or by a machine.
    Later,
    /// It says again what was said.
    Again,
}

const BACK: &[&str] = &[
    "回滚",
    "回退",
    "回復手順",
    "リカバリ",
    "ロールバック",
    "切り戻し",
    "切戻し",
    "復旧",
    "rollback",
    "roll back",
    "roll-back",
    "backout",
    "back out",
    "revert",
    "recovery",
];
const TROUBLE: &[&str] = &[
    "常见问题",
    "常见更新问题",
    "故障",
    "排查",
    "问题处理",
    "获取帮助",
    "troubleshoot",
    "faq",
    "known issue",
    "common problem",
    "if something goes wrong",
    "トラブル",
    "よくある",
    "障害",
];
const EXAMPLE: &[&str] = &["示例", "样例", "例子", "範例", "example", "sample", "サンプル", "記入例"];
const LOCAL: &[&str] = &[
    "本地",
    "开发人员",
    "开发环境",
    "開発環境",
    "開発者",
    "ローカル",
    "local development",
    "on your laptop",
    "on your machine",
    "for developers",
    "developer",
];
const LATER: &[&str] = &[
    "后续规划",
    "规划",
    "定时",
    "自动化更新",
    "最佳实践",
    "best practice",
    "ベストプラクティス",
    "ci/cd",
    "scheduled",
    "cron",
    "future",
    "roadmap",
    "今後",
    "将来",
];
const AGAIN: &[&str] = &["总结", "summary", "まとめ", "cheat sheet", "tl;dr"];
const VERIFY: &[&str] = &[
    "验证", "验收", "驗證", "检查", "监控", "verif", "validat", "smoke", "check", "monitor", "確認", "検証",
    "監視",
];

/// What a heading says its part is for; none where it says nothing.
pub(crate) fn role(heading: &str) -> Option<Role> {
    let heading = heading.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| heading.contains(word));
    let question = heading
        .trim_start()
        .strip_prefix('q')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    [
        (says(BACK), Role::Back),
        (says(TROUBLE) || question, Role::Trouble),
        (says(EXAMPLE), Role::Example),
        (says(LOCAL), Role::Local),
        (says(LATER), Role::Later),
        (says(AGAIN), Role::Again),
        (says(VERIFY), Role::Verify),
    ]
    .into_iter()
    .find_map(|(is, role)| is.then_some(role))
}

/// Whether a heading names one of several ways to do the same, and which: `方式 2`, `Option B`, `パターン1`.
pub(crate) fn way(heading: &str) -> Option<String> {
    const WAYS: &[&str] = &[
        "方式",
        "方法",
        "方案",
        "选项",
        "パターン",
        "option",
        "method",
        "approach",
        "variant",
        "alternative",
    ];
    let heading = heading.to_lowercase();
    let found = WAYS.iter().find_map(|word| Some((word, heading.find(word)?)))?;
    let rest = heading[found.1 + found.0.len()..].trim_start();
    let mark: String = rest.chars().take(1).collect();
    let next = rest.chars().nth(1);
    let is_mark = mark.chars().all(|c| c.is_ascii_alphanumeric() || "一二三四五六①②③④⑤ⅠⅡⅢ".contains(c));
    let ends = next.is_none_or(|c| !c.is_ascii_alphanumeric());
    (is_mark && !mark.is_empty() && ends).then_some(mark)
}

/// A heading that recommends its part.
pub(crate) fn is_recommended(heading: &str) -> bool {
    let heading = heading.to_lowercase();
    ["推荐", "推奨", "recommended", "preferred", "default"].iter().any(|word| heading.contains(word))
}

/// Words of an action that a person does, not a command.
const BY_HAND: &[&str] = &[
    "控制台",
    "登录",
    "登陆",
    "登入",
    "通知",
    "公告",
    "人工",
    "手动",
    "确认",
    "确保",
    "检查",
    "验证",
    "快照",
    "备份",
    "导出",
    "dump",
    "snapshot",
    "切流",
    "切换",
    "暂停",
    "恢复",
    "创建",
    "记下",
    "记录",
    "联系",
    "发布",
    "观察",
    "跑通",
    "申请",
    "审批",
    "console",
    "log in",
    "login to",
    "sign in",
    "notify",
    "announce",
    "verify",
    "confirm",
    "check",
    "make sure",
    "ensure",
    "click",
    "open ",
    "ask ",
    "tell ",
    "wait ",
    "approve",
    "page ",
    "post ",
    "switch ",
    "disable ",
    "enable ",
    "take ",
    "watch ",
    "create ",
    "test ",
    "merge ",
    "run ",
    "deploy",
    "stop ",
    "start ",
    "monitor",
    "确定",
    "生成",
    "执行",
    "运行",
    "部署",
    "停止",
    "启动",
    "更新",
    "修改",
    "删除",
    "测试",
    "查看",
    "监控",
    "確認",
    "通知",
    "連絡",
    "ログイン",
    "コンソール",
    "管理画面",
    "実施",
    "依頼",
    "停止",
    "再起動",
    "取得",
    "切り替え",
    "してください",
    "を行う",
    "する。",
    "する",
];

/// Whether a text tells a person to do something.
pub(crate) fn is_by_hand(text: &str) -> bool {
    let text = text.to_lowercase();
    BY_HAND.iter().any(|word| text.contains(word))
}

/// Whether what a line announces describes something instead of asking for it (`特点：`, `The script does:`).
pub(crate) fn is_description(intro: &str) -> bool {
    const WORDS: &[&str] = &[
        "特点",
        "自动完成",
        "自动执行",
        "会自动",
        "场景",
        "说明",
        "原则",
        "协议",
        "包含",
        "职责",
        "优点",
        "简介",
        "背景",
        "内容",
        "目录",
        "相关",
        "附件",
        "频率",
        "分类",
        "理想",
        "规划",
        "实践",
        "准则",
        "资源",
        "涉及",
        "策略",
        "feature",
        "automatic",
        "overview",
        "background",
        "what changes",
        "what's new",
        "contents",
        "contacts",
        "references",
        "principle",
        "scope",
        "goals",
        "owners",
        "概要",
        "特徴",
        "目的",
        "背景",
        "自動的",
        "対象",
        "変更点",
        "関連",
        "目次",
        "担当",
        "体制",
        "構成",
    ];
    let intro = intro.to_lowercase();
    WORDS.iter().any(|word| intro.contains(word))
}

/// Whether a text says that a file is to be edited.
pub(crate) fn is_edit(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "修改",
        "编辑",
        "改成",
        "改为",
        "换成",
        "更改",
        "新加",
        "添加",
        "加一行",
        "追加",
        "增加",
        "edit",
        "change",
        "replace",
        "set ",
        "add ",
        "append",
        "update ",
        "編集",
        "変更",
        "書き換え",
        "修正",
    ];
    let text = text.to_lowercase();
    WORDS.iter().any(|word| text.contains(word))
}

/// Whether a text says that a line is new in a file.
pub(crate) fn is_addition(text: &str) -> bool {
    const WORDS: &[&str] = &["新加", "添加", "加一行", "追加", "增加", "新增", "add ", "append", "追記"];
    let text = text.to_lowercase();
    WORDS.iter().any(|word| text.contains(word))
}

/// Whether a text says to take something away for good.
pub(crate) fn is_removal(text: &str) -> bool {
    const WORDS: &[&str] =
        &["干掉", "删除", "删掉", "清空", "清理", "delete", "remove", "purge", "wipe", "削除", "消去"];
    let text = text.to_lowercase();
    WORDS.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_that_of_most_letters() {
        for (text, expected) in [
            ("Deploy the service", Language::En),
            ("## 2.1.0后端发布文档", Language::Zh),
            ("マイグレーション", Language::Ja),
            ("手順: docker compose pull を実行する", Language::Ja),
            ("", Language::En),
        ] {
            assert_eq!(Language::of(text), expected, "{text}");
        }
    }

    #[test]
    fn headings_say_what_their_part_is_for() {
        for (heading, expected) in [
            ("🔙 回滚方案", Some(Role::Back)),
            ("6. リカバリ", Some(Role::Back)),
            ("Rollback plan", Some(Role::Back)),
            ("Q2: 依赖安装失败", Some(Role::Trouble)),
            ("Queue workers", None),
            ("部署步骤", None),
            ("Post-deploy checks", Some(Role::Verify)),
        ] {
            assert_eq!(role(heading), expected, "{heading}");
        }
        assert_eq!(way("方式 2：热修复"), Some("2".to_owned()));
        assert_eq!(way("Option B: by hand"), Some("b".to_owned()));
        assert_eq!(way("Method of payment"), None);
        assert_eq!(way("三种更新方式"), None);
    }
}
