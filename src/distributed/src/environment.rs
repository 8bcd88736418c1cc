//! The variables that launchers set: torchrun, scripts of Slurm, PyTorchJob of Kubeflow.

use std::ops::RangeInclusive;

use crate::RendezvousError;

/// Most processes of a training: beyond any that this was thought for.
const MOST_RANKS: usize = 4096;
/// Longest name of a host, as DNS has it.
const LONGEST_HOST: usize = 253;

/// Where the processes of a training meet, and which of them this one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendezvous {
    /// This process, from 0.
    pub rank: usize,
    /// Number of processes.
    pub size: usize,
    /// This process among those on its machine: which GPU it takes.
    pub local_rank: usize,
    /// Host where rank 0 runs, or torchrun.
    pub address: String,
    /// TCP port there.
    pub port: u16,
    /// Whether torchrun's agent holds the store at that port; else rank 0 does.
    pub agent_holds_store: bool,
    /// How often torchrun has restarted the processes.
    pub restart: u32,
}

impl Rendezvous {
    /// Reads RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT; none where none of them is set.
    ///
    /// # Errors
    /// [`RendezvousError::HalfSet`], [`RendezvousError::Value`].
    pub fn from_env() -> Result<Option<Self>, RendezvousError> {
        Self::from_variables(&|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// As [`Rendezvous::from_env`], of given variables.
    ///
    /// # Errors
    /// As there.
    pub fn from_variables(of: &dyn Fn(&'static str) -> Option<String>) -> Result<Option<Self>, RendezvousError> {
        let needed = ["RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"];
        let set: Vec<&str> = needed.into_iter().chain(["LOCAL_RANK"]).filter(|name| of(name).is_some()).collect();
        let missing: Vec<&str> = needed.into_iter().filter(|name| of(name).is_none()).collect();
        if set.is_empty() {
            return Ok(None);
        }
        if !missing.is_empty() {
            let verb = if set.len() == 1 { "is" } else { "are" };
            return Err(RendezvousError::HalfSet {
                set: format!("{} {verb}", set.join(", ")),
                missing: missing.join(", "),
            });
        }
        let whole = |name, range| whole(name, &of(name).unwrap_or_default(), &range);
        let size = whole("WORLD_SIZE", 1..=MOST_RANKS)?;
        let local_rank = if of("LOCAL_RANK").is_some() { whole("LOCAL_RANK", 0..=size - 1)? } else { 0 };
        let restart = if of("TORCHELASTIC_RESTART_COUNT").is_some() {
            whole("TORCHELASTIC_RESTART_COUNT", 0..=usize::from(u16::MAX))?
        } else {
            0
        };
        Ok(Some(Self {
            rank: whole("RANK", 0..=size - 1)?,
            size,
            local_rank,
            address: host(&of("MASTER_ADDR").unwrap_or_default())?,
            port: whole("MASTER_PORT", 1..=usize::from(u16::MAX))? as u16,
            agent_holds_store: of("TORCHELASTIC_USE_AGENT_STORE").is_some_and(|value| value == "True"),
            restart: restart as u32,
        }))
    }

    /// `address:port`, for messages.
    #[must_use]
    pub fn at(&self) -> String {
        format!("{}:{}", self.address, self.port)
    }

    /// Whether this process holds the store where the others meet.
    pub(crate) fn holds_store(&self) -> bool {
        self.rank == 0 && !self.agent_holds_store
    }
}

fn whole(name: &'static str, got: &str, range: &RangeInclusive<usize>) -> Result<usize, RendezvousError> {
    let value = got.parse().ok().filter(|value| range.contains(value));
    value.ok_or_else(|| {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        RendezvousError::Value { name, got: got.to_owned(), expected }
    })
}

fn host(got: &str) -> Result<String, RendezvousError> {
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
    if !got.is_empty() && got.len() <= LONGEST_HOST && got.chars().all(is_host) {
        return Ok(got.to_owned());
    }
    let expected = "the name or the address of a host".to_owned();
    Err(RendezvousError::Value { name: "MASTER_ADDR", got: got.to_owned(), expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: [(&str, &str); 5] = [
        ("RANK", "1"),
        ("WORLD_SIZE", "4"),
        ("LOCAL_RANK", "1"),
        ("MASTER_ADDR", "host-a.lan"),
        ("MASTER_PORT", "29500"),
    ];

    /// The variables of a launcher, some set anew, those with no value taken away.
    fn read(changes: &[(&str, Option<&str>)]) -> Result<Option<Rendezvous>, String> {
        let of = |name: &'static str| {
            let whole = WHOLE.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
            let value = changes.iter().find(|(changed, _)| *changed == name).map_or(whole, |(_, value)| *value);
            value.map(str::to_owned)
        };
        Rendezvous::from_variables(&of).map_err(|error| error.to_string())
    }

    #[test]
    fn all_variables_or_none() {
        let found = read(&[]).unwrap().unwrap();
        assert_eq!((found.rank, found.size, found.local_rank, found.at().as_str()), (1, 4, 1, "host-a.lan:29500"));
        assert!(!found.agent_holds_store && !found.holds_store() && found.restart == 0);
        let none: Vec<_> = WHOLE.iter().map(|(name, _)| (*name, None)).collect();
        assert_eq!(read(&none), Ok(None));
        let without_local_rank = read(&[("LOCAL_RANK", None)]).unwrap().unwrap();
        assert_eq!(without_local_rank.local_rank, 0, "PyTorchJob sets none");
        let half = read(&[("MASTER_PORT", None), ("WORLD_SIZE", None)]).unwrap_err();
        assert!(half.starts_with("RANK, MASTER_ADDR, LOCAL_RANK are set, but WORLD_SIZE, MASTER_PORT not;"), "{half}");
        let mut only = none;
        only[2].1 = Some("0");
        assert!(read(&only).unwrap_err().starts_with("LOCAL_RANK is set, but RANK,"));
    }

    #[test]
    fn each_value_has_its_range() {
        for (name, bad) in [
            ("RANK", "4"),
            ("RANK", "-1"),
            ("RANK", ""),
            ("WORLD_SIZE", "0"),
            ("WORLD_SIZE", "99999"),
            ("LOCAL_RANK", "x"),
            ("MASTER_PORT", "0"),
            ("MASTER_PORT", "65536"),
            ("MASTER_ADDR", ""),
            ("MASTER_ADDR", "a host"),
            ("TORCHELASTIC_RESTART_COUNT", "many"),
        ] {
            let error = read(&[(name, Some(bad))]).unwrap_err();
            assert!(error.starts_with(&format!("{name}: got '{bad}', expected ")), "{error}");
        }
    }

    #[test]
    fn under_torchrun_its_agent_holds_the_store() {
        let changes = [
            ("RANK", Some("0")),
            ("TORCHELASTIC_USE_AGENT_STORE", Some("True")),
            ("TORCHELASTIC_RESTART_COUNT", Some("2")),
        ];
        let found = read(&changes).unwrap().unwrap();
        assert!(found.agent_holds_store && !found.holds_store() && found.restart == 2);
        assert!(read(&[("RANK", Some("0"))]).unwrap().unwrap().holds_store());
    }
}
