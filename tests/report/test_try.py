from ..chromium import open_page, browser
def test_a(measured): measured()
