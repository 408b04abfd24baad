//! How fast rotary positions turn, as `config.json` says it in any of its ways.

use serde::Deserialize;

use super::ExportError;
use super::config::ConfigFile;

/// `rope_parameters`, or `rope_scaling` as older releases call it.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub(super) struct RopeSettings {
    pub(super) rope_theta: Option<f64>,
    rope_type: Option<String>,
    /// The older name of `rope_type`.
    r#type: Option<String>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
    partial_rotary_factor: Option<f64>,
}

/// Frequencies of the pairs of a head with `width` numbers, `θ^(−2i/width)`, scaled as the settings say.
pub(super) fn frequencies(
    file: &ConfigFile,
    (theta_field, theta): (&'static str, f64),
    settings: &RopeSettings,
    width: usize,
) -> Result<Vec<f32>, ExportError> {
    file.theta(theta_field, theta)?;
    if settings.partial_rotary_factor.is_some_and(|share| share != 1.0) {
        let found = settings.partial_rotary_factor.unwrap_or_default();
        return Err(file.refusal(
            "partial_rotary_factor",
            found,
            "positions that turn whole heads can be written",
        ));
    }
    let plain = (0..width / 2).map(|pair| theta.powf(-((2 * pair) as f64) / width as f64));
    let kind = settings.rope_type.as_deref().or(settings.r#type.as_deref()).unwrap_or("default");
    let scale: Box<dyn Fn(f64) -> f64> = match kind {
        "default" => Box::new(|frequency| frequency),
        "linear" => {
            let factor = number(file, "rope_scaling.factor", settings.factor)?;
            Box::new(move |frequency| frequency / factor)
        }
        "llama3" => Box::new(llama3(file, settings)?),
        other => {
            let expected = "\"default\", \"linear\" and \"llama3\" can be written";
            return Err(file.refusal("rope_scaling.rope_type", format!("{other:?}"), expected));
        }
    };
    Ok(plain.map(|frequency| scale(frequency) as f32).collect())
}

fn number(file: &ConfigFile, field: &'static str, value: Option<f64>) -> Result<f64, ExportError> {
    match value {
        Some(value) if value.is_finite() && value > 0.0 => Ok(value),
        Some(value) => Err(file.refusal(field, value, "a positive number is expected")),
        None => Err(file.refusal(field, "missing", "a positive number is expected")),
    }
}

/// Slow pairs turn `factor` times slower, fast ones as they were, those between in between (Llama 3.1).
fn llama3(file: &ConfigFile, settings: &RopeSettings) -> Result<impl Fn(f64) -> f64 + use<>, ExportError> {
    let factor = number(file, "rope_scaling.factor", settings.factor)?;
    let low = number(file, "rope_scaling.low_freq_factor", settings.low_freq_factor)?;
    let high = number(file, "rope_scaling.high_freq_factor", settings.high_freq_factor)?;
    let field = "rope_scaling.original_max_position_embeddings";
    let length = number(file, field, settings.original_max_position_embeddings)?;
    if high <= low {
        return Err(file.refusal(
            "rope_scaling.high_freq_factor",
            high,
            "more than low_freq_factor is expected",
        ));
    }
    Ok(move |frequency: f64| {
        let turns = length * frequency / (2.0 * std::f64::consts::PI);
        let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
        frequency * (kept + (1.0 - kept) / factor)
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn of(settings: &str) -> Result<Vec<f32>, String> {
        let file = ConfigFile::of(Path::new(""));
        let settings = serde_json::from_str(settings).unwrap();
        frequencies(&file, ("rope_theta", 10_000.0), &settings, 8).map_err(|error| error.to_string())
    }

    #[test]
    fn frequencies_fall_from_one() {
        assert_eq!(of("{}").unwrap(), [1.0, 0.1, 0.01, 0.001]);
        assert_eq!(of(r#"{"type": "linear", "factor": 2}"#).unwrap(), [0.5, 0.05, 0.005, 0.0005]);
    }

    #[test]
    fn llama3_slows_what_is_slow() {
        // With transformers 5.24's `_compute_llama3_parameters`, base 10000, head_dim 8.
        let settings = r#"{"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4,
                           "original_max_position_embeddings": 1024}"#;
        let found = of(settings).unwrap();
        for (found, expected) in found.iter().zip(LLAMA3) {
            assert!((found - expected).abs() <= 1e-6 * expected, "{found} {expected}");
        }
    }

    const LLAMA3: [f32; 4] = [1.0, 0.1, 0.003_086_760_6, 0.000_125];

    #[test]
    fn what_cannot_be_written_is_refused() {
        for (settings, part) in [
            (r#"{"rope_type": "yarn", "factor": 2}"#, "rope_scaling.rope_type is \"yarn\""),
            (r#"{"rope_type": "linear"}"#, "rope_scaling.factor is missing"),
            (r#"{"rope_type": "linear", "factor": 0}"#, "rope_scaling.factor is 0"),
            (r#"{"partial_rotary_factor": 0.5}"#, "partial_rotary_factor is 0.5"),
        ] {
            let message = of(settings).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }
}
