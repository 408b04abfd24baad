//! The pages in a real browser: nothing sticks out, nothing is blank, light and dark. Skips where there is no Chromium.

use crate::study::space;
use crate::workspace::Workspace;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A phone and a desktop.
const WIDTHS: [u32; 2] = [390, 1280];
const PATIENCE: Duration = Duration::from_secs(60);
/// Parts of a page, top to bottom, none of which may be blank.
const BANDS: usize = 8;

fn chromium() -> Option<&'static str> {
    let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
        let version = Command::new(name).arg("--version").stderr(Stdio::null()).output();
        version.is_ok_and(|output| output.status.success())
    });
    if found.is_none() {
        println!("skipped: there is no chromium; install it to look at the pages");
    }
    found
}

/// Runs the browser in `space` and returns what it wrote to standard output.
fn browse(browser: &str, space: &Workspace, arguments: &[String]) -> String {
    let profile = format!("--user-data-dir={}", space.path("profile").display());
    let mut child = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"])
        .args(["--disable-background-networking", "--no-first-run", profile.as_str()])
        .args(arguments)
        .stdout(std::fs::File::create(space.path("stdout")).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("the browser did not end");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    std::fs::read_to_string(space.path("stdout")).unwrap()
}

fn address(path: &Path) -> String {
    format!("file://{}", path.display())
}

/// The widths and the height that a page takes in a window of this width: measured by a script in a copy of it, since the page itself
/// lets none run.
fn extent(browser: &str, space: &Workspace, page: &str, width: u32) -> [u32; 3] {
    let html = std::fs::read_to_string(space.path(page)).unwrap();
    let (before, after) = html.split_once("<meta http-equiv=\"Content-Security-Policy\"").unwrap();
    let after = after.split_once('>').unwrap().1;
    let script = "<script>addEventListener('load', () => { const e = document.documentElement; \
                  document.title = [e.scrollWidth, innerWidth, e.scrollHeight].join(' '); });</script>";
    space.write("measured.html", format!("{before}{script}{after}"));
    let arguments =
        [format!("--window-size={width},900"), "--dump-dom".into(), address(&space.path("measured.html"))];
    let dom = browse(browser, space, &arguments);
    let title = dom.split_once("<title>").unwrap().1.split_once("</title>").unwrap().0.to_owned();
    let numbers: Vec<u32> =
        title.split(' ').map(|number| number.parse().unwrap_or_else(|_| panic!("{title}"))).collect();
    numbers.try_into().unwrap()
}

/// A screenshot: width, height and its pixels' brightness, row by row.
fn screenshot(
    browser: &str,
    space: &Workspace,
    page: &str,
    (width, height, dark): (u32, u32, bool),
) -> (usize, usize, Vec<u8>) {
    let shot = space.path("shot.png");
    let scheme = if dark { 0 } else { 1 };
    let arguments = [
        format!("--window-size={width},{height}"),
        format!("--screenshot={}", shot.display()),
        format!("--blink-settings=preferredColorScheme={scheme}"),
        address(&space.path(page)),
    ];
    browse(browser, space, &arguments);
    let mut decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&shot).unwrap()));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    let samples = info.color_type.samples();
    let grey = bytes[..info.buffer_size()].chunks_exact(samples).map(|pixel| {
        (pixel[..3.min(samples)].iter().map(|x| u32::from(*x)).sum::<u32>() / 3.min(samples) as u32) as u8
    });
    (info.width as usize, info.height as usize, grey.collect())
}

fn look(browser: &str, space: &Workspace, page: &str) {
    for width in WIDTHS {
        let [wide, window, height] = extent(browser, space, page, width);
        assert!(wide <= window, "{page} is {wide} wide in a window of {window}");
        for dark in [false, true] {
            let (columns, rows, pixels) = screenshot(browser, space, page, (width, height.max(400), dark));
            let paper = pixels[0];
            assert_eq!(paper < 128, dark, "{page} at {width}: the paper is {paper}");
            let band = rows / BANDS;
            for at in 0..BANDS {
                let part = &pixels[at * band * columns..(at + 1) * band * columns];
                let ink = part.iter().filter(|pixel| pixel.abs_diff(paper) > 60).count();
                assert!(
                    ink * 2000 > part.len(),
                    "{page} at {width}, dark {dark}: part {at} of {BANDS} is blank"
                );
            }
        }
    }
}

#[test]
fn pages_are_whole_at_any_width() {
    let Some(browser) = chromium() else { return };
    let space = space();
    space.run(&["eval", "study.toml"]).ok();
    space.run(&["eval", "position-bias", "squad.json", "--out", "bias"]).ok();
    space.run(&["index", "beir", "--out", "ix"]).ok();
    let long = "an-unbroken-word-that-is-longer-than-a-telephone-is-wide-".repeat(3);
    let query = format!("which tides raise the sea {long}");
    space.run(&["search", "ix", &query, "--explain", "--html", "map.html"]).ok();
    for page in ["results/report.html", "bias/report.html", "map.html"] {
        look(browser, &space, page);
    }
}
