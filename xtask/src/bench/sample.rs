//! Figures that were measured several times, and what can be said of them.

/// What a figure must change by to count.
const MATTERS: f64 = 0.03;

/// How sure an interval is to hold the median, if there are values enough.
const CONFIDENCE: f64 = 0.95;

/// The values of one figure, sorted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    values: Vec<f64>,
}

/// How a figure compares with the other revision's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Worse,
    Better,
    /// The medians are close, or the intervals have something in common.
    None,
}

impl Sample {
    pub(crate) fn add(&mut self, value: f64) {
        let at = self.values.partition_point(|other| *other < value);
        self.values.insert(at, value);
    }

    /// The middle value, or the mean of the two.
    pub(crate) fn median(&self) -> f64 {
        let middle = self.values.len() / 2;
        match self.values.len() {
            0 => f64::NAN,
            count if count % 2 == 1 => self.values[middle],
            _ => f64::midpoint(self.values[middle - 1], self.values[middle]),
        }
    }

    /// An interval for the median: two of the values, which have it between them with
    /// [`CONFIDENCE`] whatever the values are like, since each is above it or below it by the toss
    /// of a coin. Of fewer than six values it is all of them, which is less sure.
    pub(crate) fn interval(&self) -> (f64, f64) {
        let count = self.values.len();
        match count {
            0 => (f64::NAN, f64::NAN),
            _ => {
                let outside = left_out(count);
                (self.values[outside], self.values[count - 1 - outside])
            }
        }
    }

    /// Compares with how it was before.
    pub(crate) fn since(&self, before: &Sample, more_is_better: bool) -> Change {
        let (low, high) = self.interval();
        let (low_before, high_before) = before.interval();
        let ratio = self.median() / before.median();
        let (rose, fell) = (
            ratio >= 1.0 + MATTERS && low > high_before,
            ratio <= 1.0 - MATTERS && high < low_before,
        );
        match (rose, fell, more_is_better) {
            (true, _, true) | (_, true, false) => Change::Better,
            (true, _, false) | (_, true, true) => Change::Worse,
            _ => Change::None,
        }
    }
}

/// How sure the intervals of so many values are.
pub(crate) fn confidence(count: usize) -> f64 {
    1.0 - 2.0 * at_most(left_out(count), count)
}

/// How many values are left out at each end of the interval.
fn left_out(count: usize) -> usize {
    let is_enough = |outside: &usize| 1.0 - 2.0 * at_most(*outside, count) >= CONFIDENCE;
    (0..count / 2).take_while(is_enough).last().unwrap_or(0)
}

/// The chance that at most `few` of `count` tosses are heads.
fn at_most(few: usize, count: usize) -> f64 {
    let mut ways = 1.0;
    let mut all = 0.0;
    for heads in 0..=few {
        all += ways;
        ways *= (count - heads) as f64 / (heads + 1) as f64;
    }
    all / 2f64.powi(count as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: impl IntoIterator<Item = f64>) -> Sample {
        let mut sample = Sample::default();
        values.into_iter().for_each(|value| sample.add(value));
        sample
    }

    #[test]
    fn the_interval_of_ten_leaves_out_one_at_each_end() {
        // As tables of the order statistics of the median have it: 97.9 %.
        let ten = sample((1..=10).rev().map(f64::from));
        assert_eq!((ten.median(), ten.interval()), (5.5, (2.0, 9.0)));
        assert!((confidence(10) - 0.9785).abs() < 0.0001);
        let twenty = sample((1..=20).map(f64::from));
        assert_eq!(twenty.interval(), (6.0, 15.0));
        let three = sample([3.0, 1.0, 2.0]);
        assert_eq!((three.median(), three.interval()), (2.0, (1.0, 3.0)));
        assert!((confidence(3) - 0.75).abs() < 0.0001);
    }

    #[test]
    fn worse_is_three_percent_and_the_intervals_apart() {
        let around = |middle: f64| sample((0..10).map(|n| middle + f64::from(n - 5) / 10.0));
        let before = around(100.0);
        assert_eq!(around(105.0).since(&before, true), Change::Better);
        assert_eq!(around(105.0).since(&before, false), Change::Worse);
        assert_eq!(around(95.0).since(&before, true), Change::Worse);
        // Apart, but too little to matter.
        assert_eq!(around(102.0).since(&before, false), Change::None);
        // Much, but not sure.
        let wide = sample((0..10).map(|n| 80.0 + 10.0 * f64::from(n)));
        assert_eq!(wide.since(&before, false), Change::None);
    }
}
