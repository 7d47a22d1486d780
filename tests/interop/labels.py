"""Reads sheets of labels as a printer and a camera would: renders PDF with Chrome's engine or SVG with resvg, finds the codes with ZXing.

Prints one JSON object a file: its pages, each a list of [text of the code, left, top] in millimetres; of a PDF also its text."""

import io
import json
import sys

import pypdfium2
import resvg_py
import zxingcpp
from PIL import Image

DOTS = 300 / 25.4


def pages(path):
    if path.endswith(".svg"):
        with open(path, encoding="utf-8") as file:
            drawn = bytes(resvg_py.svg_to_bytes(svg_string=file.read(), dpi=300))
        return [Image.open(io.BytesIO(drawn))], ""
    document = pypdfium2.PdfDocument(path)
    images = [page.render(scale=300 / 72).to_pil() for page in document]
    return images, "\n".join(page.get_textpage().get_text_range() for page in document)


for path in sys.argv[1:]:
    images, text = pages(path)
    found = []
    for image in images:
        codes = zxingcpp.read_barcodes(image.convert("L"), formats=zxingcpp.BarcodeFormat.QRCode)
        corner = lambda code: code.position.top_left
        found.append([[code.text, corner(code).x / DOTS, corner(code).y / DOTS] for code in codes])
    size = images[0].size
    print(json.dumps({"pages": found, "text": text, "dark": [sum(i.convert("L").histogram()[:128]) for i in images], "size": size}))
