//! Machines of the lab are what the tests of hosts take them for.

use std::process::Command;
use windlass_lab::Machine;

fn ssh(machine: &Machine, user: &str, script: &str) -> Result<String, String> {
    let mut ssh = Command::new("ssh");
    ssh.arg("-F").arg(machine.config()).args(["-o", "BatchMode=yes", "-o", "ConnectTimeout=2"]);
    let out = ssh.args([&format!("{user}@web"), script]).output().expect("ssh is installed");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if out.status.success() { Ok(text(&out.stdout)) } else { Err(text(&out.stderr)) }
}

#[test]
fn a_machine_runs_units_can_be_cut_off_and_keeps_its_disk_over_a_reboot() {
    let machine = Machine::start("web");
    let unit = "[Service]\nExecStart=/bin/sleep 1000\n[Install]\nWantedBy=multi-user.target\n";
    machine.run(&format!("printf '{}' >/etc/systemd/system/app.service", unit.replace('\n', "\\n")));
    ssh(&machine, "deploy", "sudo -n systemctl daemon-reload && sudo -n systemctl enable --now app").unwrap();
    assert_eq!(ssh(&machine, "root", "hostname; systemctl is-active app").unwrap(), "web\nactive");
    let refused = ssh(&machine, "clerk", "sudo -n systemctl stop app").unwrap_err();
    assert!(refused.contains("password is required"), "{refused}");
    let boot = machine.run("cat /proc/sys/kernel/random/boot_id");
    machine.cut();
    assert!(ssh(&machine, "root", "true").is_err());
    machine.mend();
    ssh(&machine, "root", "true").unwrap();
    machine.switch_off();
    assert!(ssh(&machine, "root", "true").is_err());
    machine.boot();
    assert_eq!(ssh(&machine, "root", "systemctl is-active app").unwrap(), "active", "it was enabled");
    assert_ne!(machine.run("cat /proc/sys/kernel/random/boot_id"), boot);
}
