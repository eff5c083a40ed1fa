"""Reading and preprocessing pictures beside Pillow itself, on files that Pillow writes here."""

from __future__ import annotations

import io

import numpy as np
import pytest

import fovea

Image = pytest.importorskip("PIL.Image")
ImageOps = pytest.importorskip("PIL.ImageOps")


def picture(width: int = 83, height: int = 61, channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, channels), dtype=np.uint8)
    smooth = coarse.repeat(8, 0).repeat(8, 1)[:height, :width].astype(int)
    return np.clip(smooth + rng.integers(-20, 20, smooth.shape), 0, 255).astype(np.uint8)


def saved(image: object, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)  # type: ignore[attr-defined]
    return file.getvalue()


def as_pillow_sees(data: bytes) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))


def as_we_see(data: bytes) -> np.ndarray:
    pixels = np.asarray(fovea.decode_image(data).pixels)
    return pixels if pixels.ndim == 3 and pixels.shape[2] == 3 else np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, 2)


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


RGB, GRAY, RGBA = (lambda: Image.fromarray(picture())), (lambda: Image.fromarray(picture()[:, :, 0])), (lambda: Image.fromarray(picture(channels=4), "RGBA"))
LOSSLESS = {
    "png rgb": lambda: saved(RGB(), "PNG"),
    "png gray": lambda: saved(GRAY(), "PNG"),
    "png alpha": lambda: saved(RGBA(), "PNG"),
    "png palette": lambda: saved(RGB().quantize(40), "PNG"),
    "png one bit": lambda: saved(GRAY().convert("1"), "PNG"),
    "png turned": lambda: saved(RGB(), "PNG", exif=exif(5)),
    "webp lossless": lambda: saved(RGB(), "WEBP", lossless=True),
    "webp alpha": lambda: saved(RGBA(), "WEBP", lossless=True, exact=True),
    "webp turned": lambda: saved(RGB(), "WEBP", lossless=True, exif=exif(8)),
    "tiff rgb": lambda: saved(RGB(), "TIFF"),
    "tiff gray, LZW": lambda: saved(GRAY(), "TIFF", compression="tiff_lzw"),
    "tiff alpha": lambda: saved(RGBA(), "TIFF"),
    "tiff cmyk": lambda: saved(RGB().convert("CMYK"), "TIFF"),
    "tiff fax": lambda: saved(GRAY().convert("1"), "TIFF", compression="group4"),
    "tiff turned": lambda: saved(RGB(), "TIFF", tiffinfo={0x0112: 6}),
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_files_equal_pillow(name: str) -> None:
    data = LOSSLESS[name]()
    np.testing.assert_array_equal(as_we_see(data), as_pillow_sees(data))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_orientations(orientation: int) -> None:
    data = saved(RGB(), "JPEG", quality=92, exif=exif(orientation))
    ours, theirs = as_we_see(data).astype(int), as_pillow_sees(data).astype(int)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 2  # two versions of libjpeg may round differently


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_jpeg_of_other_colours(mode: str) -> None:
    data = saved(RGB().convert(mode), "JPEG", quality=95)
    assert np.abs(as_we_see(data).astype(int) - as_pillow_sees(data).astype(int)).max() <= 2


def test_lossy_webp() -> None:
    data = saved(RGB(), "WEBP", quality=80)
    assert np.abs(as_we_see(data).astype(int) - as_pillow_sees(data).astype(int)).max() <= 2


def test_sixteen_bit_gray_keeps_its_upper_half() -> None:
    deep = (picture()[:, :, 0].astype(np.uint16) << 8) + 77
    ours = as_we_see(saved(Image.fromarray(deep), "PNG"))
    np.testing.assert_array_equal(ours[:, :, 0], picture()[:, :, 0])  # Pillow would cut it at 255


@pytest.mark.parametrize("size", [(40, 30), (200, 150), (83, 200), (7, 9), (1, 1)])
def test_resizing_equals_pillow_to_the_byte(size: tuple[int, int]) -> None:
    ours = fovea.resize_bicubic(fovea.decode_image(saved(RGB(), "PNG")), *size)
    # Later versions of Pillow choose another order of the two passes on some tall pictures; none of these is one.
    np.testing.assert_array_equal(np.asarray(ours.pixels), np.asarray(RGB().resize(size, Image.Resampling.BICUBIC)))


def test_views_and_counts() -> None:
    views = fovea.make_views(fovea.decode_image(saved(Image.fromarray(picture(1500, 900)), "PNG")), "gundam")
    assert views.tile_grid == (3, 2)
    assert len(views.tiles) == 6
    assert views.counts.vision_tokens == 6 * 100 + 256
    assert fovea.count_tokens(1700, 2200, "gundam").decoder_positions == 903
    with pytest.raises(ValueError, match="gundam-m"):
        fovea.count_tokens(10, 10, "enormous")


def test_files_cut_short() -> None:
    for form in ("PNG", "JPEG", "WEBP"):
        data = saved(RGB(), form)
        with pytest.raises(OSError, match="image"):
            fovea.decode_image(data[: len(data) * 2 // 3])
    with pytest.raises(OSError, match="more than the limit of 100 pixels"):
        fovea.decode_image(saved(RGB(), "PNG"), max_pixels=100)
