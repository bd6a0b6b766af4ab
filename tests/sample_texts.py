"""Texts to find near-duplicates in: hostile ones, and prose with edited copies."""

from __future__ import annotations

import inspect
import random
import threading

from hypothesis import strategies as st

THRESHOLDS = [0.3, 0.5, 0.7, 0.85]
NGRAMS = [1, 2, 3, 5]
MODES = [(c, m) for c in (False, True) for m in (False, True)]

FOX = "the quick brown fox jumps over the lazy dog"

# Characters that decide where words begin and end, and how they are lower-cased.
ALPHABET = "abAB  ..,-'019éÉßİıſǅßñ\u0301\u0e01\u0e34中文字あア한글ع١\n\t\0\ud800\udc00😀_"
hostile_text = st.text(alphabet=ALPHABET, max_size=40)
few_words = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f"]), max_size=14).map(" ".join)


def passages(count: int, words: int, seed: int) -> list[str]:
    """English passages from the standard library's docstrings, four in ten edited copies."""
    source = " ".join(
        inspect.getdoc(obj) or ""
        for module in (random, threading, inspect)
        for obj in vars(module).values()
        if inspect.isclass(obj) or inspect.isfunction(obj)
    ).split()
    rng = random.Random(seed)
    starts = iter(rng.sample(range(len(source) - words), count))
    made: list[str] = []
    while len(made) < count:
        if made and rng.random() < 0.4:
            made.append(edited(rng.choice(made), rng))
        else:
            start = next(starts)
            made.append(" ".join(source[start : start + words]))
    return made


def edited(text: str, rng: random.Random) -> str:
    words = text.split()
    kind = rng.randrange(6)
    if kind == 0:
        return text.upper().replace(" ", " , ")
    if kind == 1:
        return " ".join(words[: int(len(words) * rng.uniform(0.4, 0.9))])
    if kind == 2:
        return " ".join(words[len(words) // 3 :] + words[: len(words) // 3])
    if kind == 3:
        return "Copyright notice. All rights reserved. " + text
    share = rng.choice([0.02, 0.05, 0.1, 0.2])
    return " ".join(f"edit{rng.randrange(50)}" if rng.random() < share else w for w in words)


# A few sentences of each script, written for these tests.
PROSE = {
    "arabic": "يفتح المتحف أبوابه للزوار كل يوم من التاسعة صباحا حتى الخامسة مساء. "
    "يدفع الطلاب نصف ثمن التذكرة إذا أظهروا بطاقة صالحة. "
    "لا يسمح بالتصوير داخل القاعات إلا بإذن مكتوب من المدير. "
    "تقام الجولات مع المرشد مرتين في الأسبوع ولا تحتاج إلى حجز سابق. "
    "يقع المطعم في الطابق الثاني ويقدم أطباقا بسيطة بأسعار معقولة.",
    "chinese": "博物馆每天上午九点开门，下午五点关门。学生出示有效证件可以享受半价门票。"
    "未经馆长书面许可，展厅内不得拍照。导游讲解每周两次，不需要提前预约。"
    "餐厅在二楼，供应简单而便宜的饭菜。冬天的时候花园不开放，但是温室照常开放。",
    "japanese": "博物館は毎日午前九時に開き、午後五時に閉まります。"
    "学生は有効な証明書を見せると半額になります。"
    "館長の書面による許可なしに展示室で写真を撮ることはできません。"
    "ガイドツアーは週に二回あり、予約は不要です。"
    "レストランは二階にあり、簡単で安い料理を出します。",
    "korean": "박물관은 매일 오전 아홉 시에 문을 열고 오후 다섯 시에 닫습니다. "
    "학생은 유효한 신분증을 보여 주면 표를 반값에 살 수 있습니다. "
    "관장의 서면 허가 없이는 전시실에서 사진을 찍을 수 없습니다. "
    "안내 관람은 일주일에 두 번 있으며 예약이 필요하지 않습니다.",
    "russian": "Музей открыт каждый день с девяти утра до пяти вечера. "
    "Студенты платят половину цены, если покажут действующий билет. "
    "Снимать в залах можно только с письменного разрешения директора. "
    "Экскурсии проходят два раза в неделю и не требуют записи.",
    "thai": "พิพิธภัณฑ์เปิดทุกวันตั้งแต่เก้าโมงเช้าถึงห้าโมงเย็น "
    "นักเรียนจ่ายค่าตั๋วครึ่งราคาหากแสดงบัตรที่ยังไม่หมดอายุ "
    "ห้ามถ่ายรูปในห้องแสดงเว้นแต่ได้รับอนุญาตเป็นลายลักษณ์อักษรจากผู้อำนวยการ "
    "มีการนำชมสัปดาห์ละสองครั้งและไม่ต้องจองล่วงหน้า "
    "ร้านอาหารอยู่ชั้นสองและขายอาหารง่ายๆในราคาไม่แพง",
}


def edited_prose(script: str) -> list[str]:
    """Return parts of the prose of a script, and copies with characters cut, moved and changed."""
    prose = PROSE[script]
    size = len(prose) // 4
    parts = [prose[i * size : (i + 1) * size] for i in range(4)]
    rng = random.Random(script)
    copies = []
    for part in parts:
        at = rng.randrange(len(part) // 2)
        copies += [
            part[:at] + part[at + 2 :],
            part[: len(part) * 4 // 5],
            part[len(part) // 3 :] + " " + part[: len(part) // 3],
            part[:at] + "7" + part[at + 1 :] + " !",
        ]
    return [*parts, *copies, parts[0], ""]
