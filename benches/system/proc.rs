//! What Linux reports about processes and the machine.

use std::fs;

/// `USER_HZ`, the unit of times in /proc: 100 on every platform that workerd is built for.
const TICKS_PER_S: f64 = 100.0;

/// A child process with that name.
pub(crate) fn child_named(parent: u32, name: &str) -> Option<u32> {
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let is_it = stat.contains(&format!("({name})")) && fields.get(1)? == &parent.to_string();
        is_it.then_some(pid)
    })
}

/// CPU seconds of a process, user and system; `self` is this one.
pub(crate) fn cpu_s(pid: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let (_, fields) = stat.rsplit_once(')').expect("its name is in parentheses");
    // utime and stime are the 14th and 15th field; the name is the second.
    fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<f64>().expect("a number")).sum::<f64>()
        / TICKS_PER_S
}

/// The peak resident memory of a process.
pub(crate) fn peak_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux reports it");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// CPU seconds that the whole machine has used, over all processes.
pub(crate) fn machine_cpu_s() -> f64 {
    let stat = fs::read_to_string("/proc/stat").expect("Linux has it");
    let fields = stat.lines().next().expect("the sum of all processors").split_whitespace().skip(1);
    let ticks: Vec<f64> = fields.map(|ticks| ticks.parse().expect("a number")).collect();
    // user, nice, system, (idle, iowait), irq, softirq, steal
    (ticks[..3].iter().sum::<f64>() + ticks[5..8].iter().sum::<f64>()) / TICKS_PER_S
}
