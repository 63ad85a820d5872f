"""The page of a derivation in a browser, if there is one."""

import shutil
import subprocess

import numpy as np
import pytest
from commands import run_ok

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")

pytestmark = pytest.mark.usefixtures("own_folder", "verify_once")


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"needs a browser ({', '.join(BROWSERS)}), and none is on this machine")
    return found


def photograph(browser, page, *options):
    """The page as an array of grey levels."""
    from matplotlib.image import imread

    picture = page.with_suffix(".png")
    command = [
        *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
        *("--window-size=1200,1600", f"--screenshot={picture}", *options, page.as_uri()),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return imread(picture)[..., :3].mean(axis=-1)


@pytest.fixture
def page(browser, tmp_path):
    path = tmp_path / "theta.html"
    run_ok("derive", "--model", "theta", "--format", "html", "--out", path)
    return path


def test_the_page_is_not_blank_in_a_browser(browser, page):
    picture = photograph(browser, page)
    assert picture.shape == (1600, 1200)
    assert 0.01 < np.mean(picture < 0.5) < 0.3  # ink on white paper
    rows = np.any(picture < 0.5, axis=1)
    assert rows[:200].any()
    assert rows[-400:].any()


def test_the_page_is_dark_for_those_who_want_it_dark(browser, page):
    picture = photograph(browser, page, "--blink-settings=preferredColorScheme=0")
    assert np.median(picture) < 0.2
