//! A place on the map and the distance between two, in whole numbers: floats differ between machines, and a replay must not.

use serde::{Deserialize, Serialize};

/// WGS 84, in units of 1e-7 degrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) latitude_e7: i32,
    pub(crate) longitude_e7: i32,
}

/// A turn around the globe.
const TURN_E7: i64 = 3_600_000_000;
/// Micrometres in 1e-7 degrees of latitude, on the sphere of the mean radius 6,371,008.8 m.
const UNIT_UM: i64 = 11_120;
/// The scale of the fixed-point cosine.
const ONE: i128 = 1_000_000_000;
/// π, at that scale.
const PI: i128 = 3_141_592_654;

impl Point {
    /// Metres as the crow flies, on the plane that touches the globe between the two: off by less than a part in a thousand within a
    /// province, which is as far as anybody is sent.
    pub(crate) fn metres_to(self, other: Self) -> u32 {
        let north = i64::from(self.latitude_e7) - i64::from(other.latitude_e7);
        let around = (i64::from(self.longitude_e7) - i64::from(other.longitude_e7)).abs();
        // The short way around.
        let around = around.min(TURN_E7 - around);
        let middle = i64::midpoint(self.latitude_e7.into(), other.latitude_e7.into());
        let east = i128::from(around) * cosine(middle) / ONE;
        let square = i128::from(north).pow(2) + east.pow(2);
        let um = square.unsigned_abs().isqrt() * u128::from(UNIT_UM.unsigned_abs());
        u32::try_from(um / 1_000_000).expect("half the globe has 20,000 km")
    }
}

/// The cosine of a latitude, at the scale of `ONE`: its series up to the eighth power, off by less than 3e-5 at the poles.
fn cosine(latitude_e7: i64) -> i128 {
    let x = i128::from(latitude_e7) * PI / 1_800_000_000;
    let square = x * x / ONE;
    let series = [56, 30, 12, 2].into_iter().fold(ONE, |rest, divisor| ONE - square * rest / ONE / divisor);
    series.max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(latitude: f64, longitude: f64) -> Point {
        #[allow(clippy::cast_possible_truncation)] // Degrees of the globe fit.
        let e7 = |degrees: f64| (degrees * 1e7).round() as i32;
        Point { latitude_e7: e7(latitude), longitude_e7: e7(longitude) }
    }

    fn haversine(one: (f64, f64), other: (f64, f64)) -> f64 {
        let (north, east) = ((other.0 - one.0).to_radians(), (other.1 - one.1).to_radians());
        let half = (north / 2.0).sin().powi(2) + one.0.to_radians().cos() * other.0.to_radians().cos() * (east / 2.0).sin().powi(2);
        2.0 * 6_371_008.8 * half.sqrt().asin()
    }

    /// Zhanjiang's districts and its neighbours, against the great circle.
    #[test]
    fn distances_are_those_of_the_globe() {
        let places = [(21.271, 110.359), (21.195, 110.403), (21.611, 110.287), (20.326, 110.177), (20.914, 110.096), (23.129, 113.264)];
        for one in places {
            for other in places {
                let (found, wanted) = (f64::from(at(one.0, one.1).metres_to(at(other.0, other.1))), haversine(one, other));
                assert!((found - wanted).abs() <= 2.0 + wanted / 1_000.0, "{one:?} to {other:?}: {found} m, and not {wanted} m");
            }
        }
    }

    #[test]
    fn the_short_way_leads_over_the_date_line_and_nothing_overflows() {
        assert!(at(10.0, 179.9).metres_to(at(10.0, -179.9)) < 22_000);
        assert!(at(90.0, 0.0).metres_to(at(90.0, 180.0)) < 1_000, "at the pole the series is a little off");
        let pole_to_pole = at(90.0, 0.0).metres_to(at(-90.0, 180.0));
        assert!((20_000_000..29_000_000).contains(&pole_to_pole), "{pole_to_pole}");
        assert_eq!(at(21.0, 110.0).metres_to(at(21.0, 110.0)), 0);
    }
}
