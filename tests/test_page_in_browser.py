"""The page of a report in a real browser, where there is one: chromium, driven by selenium."""

import csv
import json
import re
import shutil
import time

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jaxfit
from jaxfit.interactive import panel

webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium to drive a browser")
CHROMIUM, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs a browser: apt-get install chromium chromium-driver"
)
WILD = '</script><img src=x onerror="window.bad=1"><script>window.bad=1</script>'
FLAGS = (
    "headless",
    "no-sandbox",
    "disable-gpu",
    "disable-quic",
    "no-first-run",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
    "disable-dev-shm-usage",
    "window-size=1100,1400",
)
MARGIN = {"rtol": 2e-4}  # five digits, and what the page says that it is off by


def table():
    """Two families, of which one has markup for a name, and three rows of a third."""
    rng = np.random.default_rng(0)
    N, D = 10 ** rng.uniform(7, 10, 123), 10 ** rng.uniform(9, 12, 123)
    loss = (1.7 + 400 / N**0.34 + 410 / D**0.28) * np.exp(0.002 * rng.standard_normal(123))
    family = np.repeat(["small", WILD, "few"], [60, 60, 3])
    return {"family": family, "N": N, f"D{WILD}": D * np.where(family == WILD, 10, 1), "loss": loss}


@pytest.fixture(scope="module")
def fit():
    inputs = {"D": f"D{WILD}"}
    return jaxfit.fit("chinchilla", table(), target="loss", by="family", starts=64, inputs=inputs)


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(fit, downloads, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"user-data-dir={folder / 'user'}"):
        options.add_argument(f"--{flag}")
    options.add_experimental_option(
        "prefs",
        {"download.default_directory": str(downloads), "download.prompt_for_download": False},
    )
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.get(jaxfit.page(fit).save(folder / "report.html").as_uri())
    yield driver
    driver.quit()


def write(browser, place, value):
    """Type into the box of the input at `place`, or "compute"."""
    browser.execute_script(
        "const box = document.getElementById(`panel-0-${arguments[0]}-box`);"
        "box.value = arguments[1]; box.dispatchEvent(new Event('change'));",
        place,
        value,
    )


def shown(browser):
    """What the page shows: inputs, estimate, ends of both bands, and how far beyond."""
    return browser.execute_script("""
        const of = (name) => document.querySelector(`.panel ${name}`).innerText;
        const box = (i) => Number(document.getElementById(`panel-0-${i}-box`).value);
        const ends = (name) => of(name).split(" to ").map(Number);
        const estimate = Number(of(".estimate").split(" ").at(-1));
        return {N: box(0), D: box(1), compute: box("compute"), estimate, mean: ends(".band-mean"),
          new: ends(".band-new"), badge: of(".badge"), budget: of(".budget")};
    """)


def predicts(fit, seen, family):
    """Assert that the page shows what the fit predicts at the inputs that it shows."""
    point = {"family": [family], "N": [seen["N"]], f"D{WILD}": [seen["D"]]}
    for kind in ("mean", "new"):
        band = fit.predict(point, 0.9, kind)
        assert_allclose(seen["estimate"], band.estimate[0], **MARGIN)
        assert_allclose(seen[kind], [band.lower[0], band.upper[0]], **MARGIN)
    decades = float(band.decades[0])
    if decades < 1e-3:
        assert seen["badge"] == "within the range of the runs"
    else:
        number, where = re.match(
            r"([\d.]+) decades? beyond the runs, in (.)", seen["badge"]
        ).groups()
        assert_allclose(float(number), decades, atol=0.051)
        assert where in "ND"


def choose(browser, label):
    browser.execute_script(
        "const list = document.getElementById('panel-0-group');"
        "list.value = [...list.options].find((o) => o.text === arguments[0]).value;"
        "list.dispatchEvent(new Event('change'));",
        label,
    )


def test_sliders_and_boxes_move_the_prediction_and_its_bands(browser, fit):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    choose(browser, "small")
    predicts(fit, shown(browser), "small")
    for N, D in (("1e8", "2e10"), ("70B", "1.4T"), ("3.3e9", "4e14"), ("1.5e7", "999G")):
        write(browser, 0, N)
        write(browser, 1, D)
        seen = shown(browser)
        numbers = [float(text.translate({66: "e9", 84: "e12", 71: "e9"})) for text in (N, D)]
        assert [seen["N"], seen["D"]] == numbers
        predicts(fit, seen, "small")
    slider = browser.find_element(By.ID, "panel-0-0-slider")
    before = shown(browser)["N"]
    slider.send_keys(Keys.ARROW_RIGHT * 3)
    seen = shown(browser)
    assert seen["N"] > before
    predicts(fit, seen, "small")
    write(browser, 0, "1e99")
    assert browser.find_element(By.ID, "panel-0-0-box").get_attribute("aria-invalid") == "true"
    assert shown(browser)["estimate"] == seen["estimate"]


def test_compute_moves_along_the_best_sizes(browser, fit):
    choose(browser, "small")
    for compute in (1e20, 1e22):
        write(browser, "compute", f"{compute:g}")
        seen = shown(browser)
        best = jaxfit.allocate(fit, compute, method="t").estimate
        assert_allclose(seen["N"], best["size"][0, 0], rtol=1e-3)
        assert_allclose(seen["D"], best["data"][0, 0], rtol=1e-3)
        assert seen["compute"] == compute
        ratio = best["tokens_per_parameter"][0, 0]
        assert seen["budget"].startswith(f"{ratio:.3g} tokens per parameter, the best for")
        predicts(fit, seen, "small")
    write(browser, 0, "1e8")
    seen = shown(browser)
    best = jaxfit.allocate(fit, seen["compute"], method="t").estimate
    said = re.search(r"N = (\S+), D = (\S+), (\S+) tokens per parameter", seen["budget"]).groups()
    wanted = [best[name][0, 0] for name in ("size", "data", "tokens_per_parameter")]
    assert_allclose([float(each) for each in said], wanted, rtol=5e-3)


def test_another_group_has_another_law_and_names_are_inert(browser, fit):
    write(browser, 0, "1e9")
    write(browser, 1, "1e11")
    choose(browser, "small")
    small = shown(browser)
    choose(browser, WILD)
    other = shown(browser)
    assert other["estimate"] != small["estimate"]
    predicts(fit, other, WILD)
    assert browser.execute_script("return window.bad === undefined && document.images.length") == 1
    labels = browser.execute_script(
        "return [...document.querySelectorAll('.panel label')].map((each) => each.innerText)"
    )
    assert labels == ["group", "N", f"D (D{WILD})", "compute, FLOP"]


def test_the_chart_has_the_runs_and_follows(browser, fit):
    drawn = "return document.querySelector('.panel .law').getAttribute('points')"
    choose(browser, "small")
    circles = browser.execute_script("return document.querySelectorAll('.panel circle.run').length")
    assert circles == 2 * 60
    texts = "return [...document.querySelectorAll('.panel svg text')].map((each) => each.innerHTML)"
    assert "predicted \N{MINUS SIGN} measured, %" in browser.execute_script(texts)
    heights = "return [...document.querySelectorAll('.panel circle.run')]"
    places = browser.execute_script(heights + ".map((each) => each.cy.baseVal.value)")
    own = fit.data.group == 0
    residual = (fit.fitted[own] - fit.data.target[own]) / fit.data.target[own]
    assert np.corrcoef(places[60:], residual)[0, 1] < -0.9999
    write(browser, 1, "2e9")
    before = browser.execute_script(drawn)
    write(browser, 0, "2e9")
    assert before != browser.execute_script(drawn)
    label = browser.execute_script("return document.querySelector('.panel svg').ariaLabel")
    assert label.startswith("loss ")
    assert "N 2e9" in label


def test_files_hold_the_runs_and_the_parameters(browser, fit, downloads):
    buttons = browser.find_elements("css selector", ".files button")
    for button, name in zip(
        buttons, ("runs.csv", "parameters.csv", "parameters.json"), strict=True
    ):
        button.click()
        for _ in range(1000):
            if (downloads / name).exists():
                break
            time.sleep(0.05)
    with (downloads / "runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    data = fit.data
    assert [row["family"] for row in rows] == [data.groups[g] for g in data.group]
    assert [float(row[f"D{WILD}"]) for row in rows] == data.inputs["D"].tolist()
    assert [float(row["prediction"] or "nan") for row in rows][:120] == fit.fitted[:120].tolist()
    with (downloads / "parameters.csv").open(newline="") as file:
        first = next(csv.DictReader(file))
    records = json.loads((downloads / "parameters.json").read_text())
    upper = fit.intervals(0.9).upper["E"][0]
    assert (first["parameter"], float(first["upper"])) == ("E", upper)
    assert records[0]["upper"] == upper
    assert records[-1]["status"] == "too_few_points"
    assert records[-1]["estimate"] is None


def test_on_a_phone_nothing_is_wider_than_the_screen(browser):
    size = {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        for _ in range(100):
            time.sleep(0.05)
            if browser.execute_script("return window.innerWidth") <= 390:
                break
        wide = "return [document.documentElement.scrollWidth, document.querySelector('.panel svg')"
        wide += ".getBoundingClientRect().right]"
        assert max(browser.execute_script(wide)) <= 390
        picture = browser.execute_script(
            "return [document.images[0].clientWidth, document.images[0].parentNode.clientWidth]"
        )
        assert picture[0] > 700 > 390 > picture[1]  # it can be read, and is moved to be seen
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_without_runs_it_still_says_where_they_are_or_nothing(browser, fit, tmp_path, monkeypatch):
    monkeypatch.setattr(panel, "RUNS", 1)
    browser.get(jaxfit.page(fit).save(tmp_path / "bare.html").as_uri())
    strips = "return [...document.querySelectorAll('.panel rect.data')]"
    strips += ".map((each) => each.width.baseVal.value)"
    assert min(browser.execute_script(strips)) > 100
    assert "runs with" not in browser.find_element("css selector", ".legend").text
    write(browser, "compute", "1e21")
    assert browser.execute_script(strips) == []
    assert "where the runs are" not in browser.find_element("css selector", ".legend").text


def test_nothing_was_loaded_and_nothing_went_wrong(browser):
    assert browser.get_log("browser") == []
    events = [json.loads(each["message"])["message"] for each in browser.get_log("performance")]
    asked = {
        event["params"]["request"]["url"].split(":")[0]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
    # The first page of the browser itself is one of "chrome".
    assert "file" in asked
    assert asked <= {"file", "data", "blob", "chrome", "chrome-untrusted"}
