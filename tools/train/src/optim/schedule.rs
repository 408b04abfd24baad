//! The learning rate over a run.

/// How the rate falls after warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// Straight down to 0.
    Linear,
    /// Half a cosine down to 0 (Loshchilov & Hutter, arXiv:1608.03983).
    #[default]
    Cosine,
    /// Warm-up, stable, decay: full for a while, then half a cosine down to 0 (Hu et al., "MiniCPM", arXiv:2404.06395).
    Wsd,
    /// Full to the end.
    Constant,
}

/// Peak, shape and lengths.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// The highest rate.
    pub peak: f64,
    /// How it falls.
    pub shape: Shape,
    /// Steps of the run.
    pub total: u64,
    /// Share of the steps in which it rises from 0 in a straight line.
    pub warmup: f64,
    /// Share of the steps at full rate, of [`Shape::Wsd`].
    pub stable: f64,
}

impl Schedule {
    /// The rate of step `step`, counted from 0.
    ///
    /// As in Hugging Face's schedules the first step of a warm-up has rate 0.
    #[must_use]
    pub fn rate(&self, step: u64) -> f64 {
        let total = self.total.max(1) as f64;
        let (step, warmup) = (step as f64, (self.warmup * total).floor());
        if step < warmup {
            return self.peak * step / warmup.max(1.0);
        }
        let held = if self.shape == Shape::Wsd { (self.stable * total).floor() } else { 0.0 };
        let left = (total - warmup - held).max(1.0);
        let passed = ((step - warmup - held) / left).clamp(0.0, 1.0);
        let share = match self.shape {
            Shape::Constant => 1.0,
            Shape::Linear => 1.0 - passed,
            Shape::Cosine | Shape::Wsd => 0.5 * (1.0 + (std::f64::consts::PI * passed).cos()),
        };
        self.peak * share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_rise_hold_and_fall() {
        let schedule = Schedule { peak: 1.0, shape: Shape::Wsd, total: 100, warmup: 0.1, stable: 0.5 };
        assert_eq!(schedule.rate(0), 0.0);
        assert_eq!(schedule.rate(5), 0.5);
        assert_eq!(schedule.rate(10), 1.0);
        assert_eq!(schedule.rate(60), 1.0);
        assert!((schedule.rate(80) - 0.5).abs() < 1e-12);
        assert_eq!(schedule.rate(100), 0.0);
        assert_eq!(schedule.rate(1000), 0.0);
    }

    #[test]
    fn straight_and_cosine_meet_in_the_middle() {
        for shape in [Shape::Linear, Shape::Cosine] {
            let schedule = Schedule { peak: 2.0, shape, total: 10, warmup: 0.0, stable: 0.0 };
            assert!((schedule.rate(5) - 1.0).abs() < 1e-12);
            assert_eq!(schedule.rate(0), 2.0);
        }
    }
}
