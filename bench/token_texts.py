"""Texts to count: prose and code that every machine has, JSON, and sentences in several scripts.

Nothing is read from a network: prose and code are the docstrings and sources of Python's standard
library; JSON is generated; Chinese, Japanese, Korean, Russian and Hindi are put together at random
from banks of phrases written for this benchmark.
"""

from __future__ import annotations

import ast
import functools
import glob
import json
import random
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

CHUNK = 200  # tokens

# From the machine ---------------------------------------------------------------------------------


def library() -> list[str]:
    """Return the sources of the standard library, in a fixed order that mixes its packages."""
    root = sysconfig.get_path("stdlib")
    files = glob.glob(f"{root}/*.py") + glob.glob(f"{root}/*/*.py")
    files = [file for file in sorted(files) if "/test" not in file and "-packages" not in file]
    random.Random(0).shuffle(files)
    return [Path(file).read_text("utf-8", errors="replace") for file in files[:500]]


def prose(sources: Sequence[str]) -> str:
    """Return the docstrings of the sources that are longer than a line."""
    found = []
    for source in sources:
        try:
            tree = ast.parse(source)
        except SyntaxError:
            continue
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
        strings = (ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, kinds))
        found += [string for string in strings if string and len(string) > 120]
    return "\n\n".join(dict.fromkeys(found))


def records(words: Sequence[str]) -> str:
    """Return JSON as an API answers with, its words taken from the prose."""
    rng = random.Random(1)
    rows = [
        {
            "id": f"{rng.getrandbits(64):016x}",
            "user": {"name": rng.choice(words).title(), "active": rng.random() < 0.5},
            "created_at": f"202{rng.randrange(7)}-{rng.randrange(1, 13):02}-11T08:30:00Z",
            "score": round(rng.random() * 100, 3),
            "tags": rng.sample(list(words), 3),
            "text": " ".join(rng.choices(words, k=12)),
            "next": None,
        }
        for _ in range(6000)
    ]
    return json.dumps(rows, indent=2)


# From banks of phrases ----------------------------------------------------------------------------

# Of each language: who, when, where, how, does, what, and so; phrases are divided by spaces, or by
# bars where they hold spaces.
CHINESE = [
    "研究人员 市政府 这家公司 许多家长 记者 两名工程师 当地居民 图书馆馆长 年轻的医生 考古学家 "
    "银行经理 環保組織 大学教授 航空公司 消费者协会 村里的老人 国家气象局 软件开发团队 博物馆 "
    "警方 编辑部 参赛选手",
    "昨天上午 去年冬天 本月初 在会议结束以后 过去十年里 春节期间 凌晨三点左右 最近几周 "
    "二零二三年 暴雨过后 开学第一天 与此同时 按照原定计划 经过长时间讨论 雖然預算有限 下个季度",
    "在北京 于上海浦东 在长江沿岸 从云南山区 在广州火车站附近 在实验室里 在海外市场 "
    "在社交平台上 在新落成的体育馆 在偏远的县城 沿着旧铁路 在联合国总部 在臺北 向全国各地 "
    "在厨房与餐厅之间",
    "首次 仔细地 悄悄 正式 共同 不得不 反复 迅速 意外地 逐步 公开 免费 主动 勉强 继续 认真",
    "公布了 发现了 测量了 修复了 取消了 讨论了 改进了 出版了 收集了 拒绝了 展示了 分析了 购买了 "
    "运输了 翻译了 种植了 批评了 记录了 庆祝了 销毁了 重建了 检查了",
    "一份关于空气质量的报告 三千五百吨钢材 古代青铜器的碎片 手机应用程序的漏洞 新的税收政策 "
    "八十年前的老照片 小麦和玉米的价格 电动汽车充电网络 癌症早期诊断方法 学生的心理健康问题 "
    "一座横跨峡谷的桥梁 太阳能电池板 濒危鸟类的迁徙路线 传统戏曲剧本 地下水污染数据 "
    "人工智能训练所需的语料 疫苗接种记录 城市交通拥堵的原因 一批进口葡萄酒 冰川融化速度",
    "以便减少开支 从而提高了效率 这引起了广泛关注 但是效果并不明显 为今后的合作奠定了基础 "
    "希望更多人能够参与 结果令人鼓舞 专家对此表示怀疑 引发网民热烈争论 使整个行业受益匪浅 "
    "因此需要进一步调查 预计明年春天完工 损失超过两亿元 至今仍没有答案 確保資料安全 "
    "避免类似事故再次发生",
]

JAPANESE = [
    "研究チーム 市役所の担当者 この会社 多くの保護者 新聞記者 二人のエンジニア 近所の住民 "
    "図書館の館長 若い医師 考古学者 銀行の支店長 環境保護団体 大学の教授 航空会社 "
    "消費者センター 村のお年寄り 気象庁 ソフトウェア開発者 美術館 警察 編集部 サッカー選手",
    "昨日の午前中 去年の冬 今月の初め 会議が終わった後 この十年間 春休みのあいだ 午前三時ごろ "
    "ここ数週間 二〇二三年 大雨の翌日 新学期の初日 それと同時に 当初の予定どおり "
    "長い話し合いの末 予算が限られていたため 次の四半期に",
    "東京で 大阪駅の近くで 北海道の牧場で 瀬戸内海の島で 研究室で 海外の市場で "
    "インターネット上で 新しい体育館で 小さな町で 古い線路に沿って 国連本部で "
    "台所と食堂のあいだで 全国各地で 京都のお寺で コンビニの前で",
    "初めて 丁寧に こっそり 正式に 共同で やむを得ず 何度も すばやく 思いがけず 少しずつ 無料で "
    "自主的に しぶしぶ 引き続き まじめに",
    "発表しました 見つけました 測定しました 修理しました キャンセルしました 話し合いました "
    "改善しました 出版しました 集めました 断りました 展示しました 分析しました 購入しました "
    "運びました 翻訳しました 植えました 記録しました お祝いしました 建て直しました 確認しました",
    "大気汚染についての報告書 三千五百トンの鋼材 古代の青銅器のかけら "
    "スマートフォンアプリの不具合 新しい税制 八十年前の写真 小麦ととうもろこしの値段 "
    "電気自動車の充電ネットワーク がんの早期診断の方法 生徒の心の健康問題 谷にかかる橋 "
    "太陽光パネル 絶滅危惧種の渡りのルート 伝統芸能の台本 地下水のデータ 人工知能の学習データ "
    "ワクチンの接種記録 渋滞の原因 輸入ワイン 氷河が溶ける速さ",
    "費用を減らすためです おかげで効率が上がりました 大きな話題になっています "
    "しかし効果ははっきりしません 今後の協力の土台になりました "
    "より多くの人に参加してほしいとのことです 結果は期待できそうです 専門家は疑問を示しています "
    "ネット上で議論が続いています 業界全体に役立つでしょう さらに調査が必要です "
    "来年の春に完成する見込みです 損失は二億円を超えました まだ答えは出ていません "
    "データを守るためです",
]
KOREAN = [
    "연구진|시청 관계자|이 회사|많은 학부모|기자|엔지니어 두 명|동네 주민들|도서관장|젊은 의사"
    "|고고학자|은행 지점장|환경 단체|대학 교수|항공사|소비자 협회|마을 어르신들|기상청"
    "|소프트웨어 개발팀|박물관|경찰|편집부|축구 선수들",
    "어제 오전|작년 겨울|이달 초|회의가 끝난 뒤|지난 십 년 동안|설 연휴에|새벽 세 시쯤"
    "|최근 몇 주 동안|2023년에|폭우가 지나간 뒤|개학 첫날|그와 동시에|원래 계획대로"
    "|오랜 논의 끝에|예산이 부족했지만|다음 분기에",
    "서울에서|부산 앞바다에서|강원도 산골에서|기차역 근처에서|실험실에서|해외 시장에서"
    "|소셜 미디어에서|새 체육관에서|작은 읍내에서|오래된 철길을 따라|유엔 본부에서"
    "|부엌과 식당 사이에서|전국 각지에서|제주도에서",
    "처음으로|꼼꼼하게|몰래|공식적으로|함께|어쩔 수 없이|여러 번|빠르게|뜻밖에|조금씩|무료로"
    "|자발적으로|마지못해|계속|진지하게",
    "발표했다|발견했다|측정했다|수리했다|취소했다|논의했다|개선했다|출판했다|수집했다|거절했다"
    "|전시했다|분석했다|구입했다|운반했다|번역했다|심었다|비판했다|기록했다|축하했다|재건했다"
    "|점검했다",
    "대기 오염에 관한 보고서를|철강 삼천오백 톤을|고대 청동기 조각을|휴대전화 앱의 결함을"
    "|새로운 세금 정책을|팔십 년 전 사진을|밀과 옥수수 가격을|전기차 충전망을"
    "|암 조기 진단 방법을|학생들의 정신 건강 문제를|협곡을 가로지르는 다리를|태양광 패널을"
    "|멸종 위기 새들의 이동 경로를|전통극 대본을|지하수 오염 자료를|인공지능 학습용 말뭉치를"
    "|예방 접종 기록을|교통 체증의 원인을|수입 포도주 한 묶음을|빙하가 녹는 속도를",
    "비용을 줄이기 위해서였다|덕분에 효율이 높아졌다|이 일은 큰 관심을 끌었다"
    "|그러나 효과는 뚜렷하지 않았다|앞으로의 협력에 토대가 되었다"
    "|더 많은 사람이 참여하기를 바란다|결과는 고무적이었다|전문가들은 의문을 나타냈다"
    "|누리꾼들의 열띤 논쟁을 불러왔다|업계 전체에 도움이 될 것이다|추가 조사가 필요하다"
    "|내년 봄에 완공될 예정이다|손실은 이억 원을 넘었다|아직 답이 없다"
    "|자료를 안전하게 지키려는 것이다",
]
RUSSIAN = [
    "исследователи|городская администрация|эта компания|многие родители|журналисты"
    "|двое инженеров|местные жители|директора библиотек|молодые врачи|археологи"
    "|управляющие банка|экологи|преподаватели|авиакомпании|общество потребителей"
    "|деревенские старики|метеорологи|разработчики программ|музейщики",
    "вчера утром|прошлой зимой|в начале месяца|после окончания совещания"
    "|за последние десять лет|во время праздников|около трёх часов ночи|в последние недели"
    "|в 2023 году|после ливня|в первый день занятий|одновременно с этим"
    "|согласно первоначальному плану|несмотря на скромный бюджет",
    "в Москве|на берегу Волги|в горах Алтая|рядом с вокзалом|в лаборатории|на зарубежных рынках"
    "|в социальных сетях|в новом спортивном зале|в далёком райцентре"
    "|вдоль старой железной дороги|в штаб-квартире ООН|между кухней и столовой|по всей стране",
    "впервые|тщательно|незаметно|официально|совместно|вынужденно|неоднократно|стремительно"
    "|неожиданно|постепенно|бесплатно|добровольно|неохотно|серьёзно",
    "опубликовали|обнаружили|измерили|починили|отменили|обсудили|улучшили|издали|собрали"
    "|отвергли|показали|проанализировали|приобрели|перевезли|перевели|раскритиковали|записали"
    "|восстановили|проверили",
    "доклад о качестве воздуха|три с половиной тысячи тонн стали|обломки древней бронзы"
    "|уязвимости мобильного приложения|новую налоговую политику"
    "|фотографии восьмидесятилетней давности|цены на пшеницу и кукурузу|сеть зарядных станций"
    "|методы ранней диагностики рака|мост через ущелье|солнечные батареи"
    "|пути перелёта редких птиц|рукописи старинных пьес|данные о загрязнении подземных вод"
    "|корпус для обучения нейросетей|записи о прививках|причины заторов",
    "чтобы сократить расходы|благодаря чему выросла производительность"
    "|и это привлекло всеобщее внимание|однако заметного результата не последовало"
    "|что заложило основу дальнейшего сотрудничества|и результаты обнадёживают"
    "|хотя специалисты сомневаются|поэтому требуется дополнительное расследование"
    "|а строительство завершится весной|но ответа до сих пор нет|чтобы защитить данные",
]
HINDI = [
    "शोधकर्ताओं ने|नगर निगम ने|इस कंपनी ने|कई अभिभावकों ने|पत्रकारों ने|दो इंजीनियरों ने|स्थानीय निवासियों ने"
    "|पुस्तकालय के निदेशक ने|युवा डॉक्टरों ने|पुरातत्वविदों ने|बैंक प्रबंधक ने|पर्यावरण संगठन ने"
    "|विश्वविद्यालय के प्रोफेसर ने|विमान कंपनी ने|गाँव के बुजुर्गों ने|मौसम विभाग ने|संग्रहालय ने|पुलिस ने|संपादकों ने",
    "कल सुबह|पिछली सर्दियों में|महीने की शुरुआत में|बैठक समाप्त होने के बाद|पिछले दस वर्षों में|त्योहार के दौरान"
    "|रात के तीन बजे|हाल के हफ्तों में|वर्ष 2023 में|भारी बारिश के बाद|स्कूल के पहले दिन|इसी बीच"
    "|मूल योजना के अनुसार",
    "दिल्ली में|गंगा के किनारे|पहाड़ी इलाके में|रेलवे स्टेशन के पास|प्रयोगशाला में|विदेशी बाज़ारों में|सोशल मीडिया पर"
    "|नए खेल भवन में|दूर के कस्बे में|पुरानी रेल लाइन के साथ|संयुक्त राष्ट्र मुख्यालय में|पूरे देश में",
    "पहली बार|सावधानी से|चुपचाप|औपचारिक रूप से|मिलकर|मजबूरी में|बार-बार|तेज़ी से|अचानक|धीरे-धीरे|मुफ़्त में"
    "|गंभीरता से",
    "प्रकाशित की|खोजी|मापी|सुधारी|रद्द की|चर्चा में रखी|बेहतर बनाई|इकट्ठा की|ठुकराई|दिखाई|जाँची|खरीदी"
    "|पहुँचाई|दर्ज की",
    "वायु गुणवत्ता पर एक रिपोर्ट|साढ़े तीन हज़ार टन इस्पात की खेप|प्राचीन काँसे की मूर्ति|मोबाइल ऐप की खामी"
    "|नई कर नीति|अस्सी साल पुरानी तस्वीर|गेहूँ और मक्के की कीमत|चार्जिंग स्टेशनों की सूची"
    "|कैंसर की शुरुआती पहचान की विधि|छात्रों की मानसिक सेहत की समस्या|घाटी पर बने पुल की योजना"
    "|सौर ऊर्जा की परियोजना|पक्षियों की यात्रा की जानकारी|भूजल प्रदूषण की जानकारी|टीकाकरण की सूची"
    "|यातायात जाम की वजह",
    "ताकि खर्च कम हो सके|जिससे कार्यक्षमता बढ़ी|इस पर सबका ध्यान गया|लेकिन असर साफ़ नहीं दिखा"
    "|जो भविष्य के सहयोग का आधार बना|नतीजे उत्साहजनक रहे|विशेषज्ञों को इस पर संदेह है|इसलिए आगे जाँच ज़रूरी है"
    "|काम अगले वसंत तक पूरा होगा|अब तक कोई जवाब नहीं मिला",
]

# Forms of sentences: `other` is who or what of another sentence.
FORMS = {
    "chinese": (
        "{when}，{who}{where}{how}{does}{what}，{so}",
        "{who}{where}{does}{what}",
        "据{who}介绍，{when}{how}{does}{what}的{other}已达{number}人",
        "“{what}”，{who}{when}说，“{so}”",
        "{who}和{other}{how}{does}{what}、{thing}，{so}",
    ),
    "japanese": (
        "{when}、{who}は{where}{how}{what}を{does}",
        "{who}が{what}を{does}",
        "{who}によると、{when}{other}は{number}人に達し、{thing}を{does}",
        "「{so}」と{who}は{when}話しました",
        "{who}と{other}は{where}{what}と{thing}を{how}{does}",
        "{so}",
    ),
    "korean": (
        "{when} {who}, {where} {how} {what} {does}",
        "{who} 측은 {what} {does}",
        "{when} {other} {number}명과 함께 {thing} {how} {does}",
        "“{so}”라고 {who} 측이 {when} 말했다",
        "{so}",
    ),
    "russian": (
        "{when} {who} {where} {how} {does} {what}, {so}",
        "{who} {does} {what}",
        "по словам коллег, {when} {who} и {other} ({number}) {how} {does} {thing}",
        "«{what}, {so}», — сообщили {who} {when}",
    ),
    "hindi": (
        "{when} {who} {where} {how} {what} {does}, {so}",
        "{who} {what} {does}",
        "{when} {who} और {other} {number} बार {thing} {does}",
        "“{so}”, {who} {when} कहा",
    ),
}
BANKS = {
    "chinese": CHINESE,
    "japanese": JAPANESE,
    "korean": KOREAN,
    "russian": RUSSIAN,
    "hindi": HINDI,
}
STOPS = {
    "chinese": ["。", "。", "。", "；", "！", "？", "。\n\n"],
    "japanese": ["。", "。", "。", "！", "？", "。\n\n"],
    "korean": [". ", ". ", ". ", "! ", "? ", ".\n\n"],
    "russian": [". ", ". ", ". ", "; ", "! ", ".\n\n"],
    "hindi": ["। ", "। ", "। ", "? ", "।\n\n"],
}
SENTENCES = 12000


def sentences(language: str, seed: int = 2) -> str:
    """Return sentences put together from the bank of a language."""
    rng = random.Random(seed)
    bank = [part.split("|") if "|" in part else part.split() for part in BANKS[language]]
    names = ("who", "when", "where", "how", "does", "what", "so")
    out = []
    for _ in range(SENTENCES):
        parts = {name: rng.choice(phrases) for name, phrases in zip(names, bank, strict=True)}
        sentence = rng.choice(FORMS[language]).format(
            other=rng.choice(bank[0]), thing=rng.choice(bank[5]), number=rng.randrange(999), **parts
        )
        out.append(sentence + rng.choice(STOPS[language]))
    return "".join(out)


def corpora() -> dict[str, Callable[[], str]]:
    """Return how to make each text, by name."""
    sources = library()

    def json_records() -> str:
        words = {word.strip(".,()") for word in prose(sources).split() if word.isalpha()}
        return records(sorted(words))

    return {
        "english": lambda: prose(sources),
        "code": lambda: "".join(sources)[:4_000_000],
        "json": json_records,
        **{name: functools.partial(sentences, name) for name in BANKS},
    }


def cut(encoding: Any, text: str, most: int) -> tuple[str, list[str]]:
    """Return the warm-up half of a text, and different chunks of CHUNK tokens of the other."""
    half = len(text) // 2
    ids = encoding.encode_ordinary(text[half:])
    starts = range(0, len(ids) - CHUNK, CHUNK)
    chunks = (encoding.decode(ids[at : at + CHUNK], errors="ignore") for at in starts)
    return text[:half], list(dict.fromkeys(chunks))[:most]
