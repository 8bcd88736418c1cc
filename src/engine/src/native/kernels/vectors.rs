//! How wide vectors are.

use pulp::Arch;

/// What limits the vectors of PyTorch and libtorch, and these with them.
const LIMIT: &str = "ATEN_CPU_CAPABILITY";

/// The vectors that native code uses: the widest that the processor has, or what the environment variable
/// `ATEN_CPU_CAPABILITY` allows, as in PyTorch (`default` for none, `avx2`, `avx512`; anything else is no limit).
#[must_use]
pub fn vectors() -> Arch {
    limited(Arch::new(), std::env::var(LIMIT).ok().as_deref())
}

fn limited(widest: Arch, limit: Option<&str>) -> Arch {
    match limit {
        Some("default") => Arch::Scalar,
        #[cfg(target_arch = "x86_64")]
        Some("avx2") if matches!(widest, Arch::V4(_)) => pulp::x86::V3::try_new().map_or(Arch::Scalar, Arch::V3),
        _ => widest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_narrows_and_never_widens() {
        let widest = Arch::new();
        let name = |limit| format!("{:?}", limited(widest, limit));
        let same = format!("{widest:?}");
        assert!([None, Some(""), Some("avx512"), Some("avx1024")].into_iter().all(|limit| name(limit) == same));
        assert_eq!(name(Some("default")), "Scalar");
        let narrower = if same.starts_with("V4") { "V3" } else { &same };
        assert!(name(Some("avx2")).starts_with(narrower), "{}", name(Some("avx2")));
        assert_eq!(format!("{:?}", limited(Arch::Scalar, Some("avx2"))), "Scalar");
    }
}
