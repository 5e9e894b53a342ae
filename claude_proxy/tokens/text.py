"""How many tokens a text will be, without a tokenizer.

o200k, the vocabulary of OpenAI's newer models, first cuts text into pieces (a word with the one
character before it, up to three digits, a run of punctuation or of space) and merges only within
a piece. The same cuts can be made with one expression, and what a piece costs on average is close
to a straight line over its length, with a slope that depends on its script and on what it starts
with. `_PRICES` holds these lines, fitted to o200k over code, prose, logs, and JSON in some thirty
languages. Common open models' own vocabularies count a coding request within 11 % of o200k.
"""

import re
from bisect import bisect_right
from collections import Counter

_UPPER = "A-ZÀ-ÖØ-Þ"
_LOWER = "a-zß-öø-ɏḀ-ỿ"
# The one character that o200k lets a word swallow: not a letter, a digit, or a line end.
_LEAD = r"[^\r\nA-Za-z0-9\x80-\U0010ffff]?"

_PIECES = re.compile(
    rf"{_LEAD}[{_UPPER}]*+[{_LOWER}]++"
    rf"|{_LEAD}[{_UPPER}]++[{_LOWER}]*+"
    r"|[0-9]{1,3}"
    r"| ?[!-/:-@\[-`{-~]++[\r\n/]*+"
    rf"|{_LEAD}(?:[\u0370-\u1dff]++|[\u3041-\u30ff]++|[\u3400-\u9fff\uf900-\ufaff]++|[\uac00-\ud7ff]++)"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    r"|[\u2500-\u257f]++"
    r"|.",
    re.DOTALL,
)

_RUNS = re.compile(r"[A-Za-z0-9+/_-]{48,}")

_NOISE_MORE = 0.15
"""What base64 costs beyond words of the same shape, in tokens per character."""

_Price = tuple[float, float]
"""(characters that one token covers, tokens for each further character)."""

_ONE: _Price = (1.0, 0.0)

# The script of a piece is the script of its last character; each starts where its row says.
_SCRIPTS: tuple[tuple[int, _Price], ...] = (
    (0x0000, _ONE),
    (0x00C0, (2.0, 0.215)),  # Latin with marks
    (0x0250, _ONE),
    (0x0370, (3.0, 0.47)),  # Greek
    (0x0400, (2.5, 0.215)),  # Cyrillic
    (0x0530, (2.0, 0.32)),  # Armenian
    (0x0590, (2.5, 0.414)),  # Hebrew
    (0x0600, (2.5, 0.308)),  # Arabic, Persian, Urdu
    (0x0780, (1.0, 0.8)),
    (0x0900, (1.5, 0.372)),  # Devanagari, Bengali, Tamil, Telugu, …
    (0x0E00, (1.0, 0.365)),  # Thai
    (0x0E80, (1.0, 0.8)),
    (0x10A0, (1.5, 0.304)),  # Georgian
    (0x1100, (1.0, 0.8)),
    (0x1780, (1.0, 0.62)),  # Khmer
    (0x1800, (1.0, 0.8)),
    (0x1E00, (2.0, 0.3)),  # Vietnamese
    (0x1F00, _ONE),
    (0x2070, (0.5, 0.8)),  # symbols: one or two tokens each
    (0x2190, _ONE),  # arrows
    (0x2200, (0.5, 0.8)),
    (0x2500, (1.0, 0.25)),  # lines of boxes, in runs
    (0x2580, (0.5, 0.8)),
    (0x3000, _ONE),
    (0x3041, (2.0, 0.637)),  # kana
    (0x3100, _ONE),
    (0xA000, (0.5, 3.0)),
    (0xAC00, (1.0, 0.413)),  # Hangul
    (0xD7B0, (0.5, 3.0)),
    (0xF900, (1.5, 0.8)),
    (0xFB00, _ONE),
    (0x10000, (0.5, 1.5)),  # emoji
)
_STARTS: list[int] = [start for start, _ in _SCRIPTS]

_HAN_WORDS = (
    "我们他们自己大家什么怎么怎样如何哪里哪些哪个这里那里这个那个这些那些这样那么这是不是就是"
    "还是也是我的你的他的的是的人来的了吗不了好的没有一个两个三个多个几个一些一种一次一下一样"
    "一起一定一直一般一步第一第二第三其中其他其实其次首先然后最后最终因为所以因此由于如果但是"
    "然而虽然或者以及不仅只有只是只能不能不会不要不同不断不足可以可能能够能力应该必须需要希望"
    "觉得认为知道了解理解看到看看得到找到达到收到受到成为作为为了对于关于根据按照通过经过包括"
    "包含使用利用采用应用运行执行实现实施进行开始结束完成继续停止取消返回输入输出读取保存加载"
    "下载上传安装配置设置更新升级修改删除添加增加减少提高提升降低改变改善改革优化调整调用创建"
    "建立建设设计开发研究分析计算统计比较测试检查检测验证确认确定选择查看显示打开关闭点击搜索"
    "查询处理解决问题错误失败成功正确正常异常方法方式方案函数参数变量对象类型数据数组字符字段"
    "整数数字列表文件目录路径地址链接接口网络网站网页页面系统软件程序代码算法模型模式模板模块"
    "组件结构流程步骤任务项目工程工具功能服务用户客户名称名字标题内容信息消息文本图片视频音乐"
    "电影游戏手机电脑电话设备机器智能人工科学技术科技学习教育学校学生老师大学知识经验语言中文"
    "英文英语文字文章文化文学艺术历史社会经济政治政府国家国际中国美国日本英国法国德国全国北京"
    "上海世界地区地方城市农村人民男人女人孩子朋友家庭生活工作公司企业市场产品商品价格时间时候"
    "今天昨天现在目前以前以后之前之后之间以上以下今年去年年代小时分钟日期上午下午晚上下面里面"
    "左右方面方向部分全部所有任何各种很多更多非常特别十分更加最好最大最近最新重要主要主题主动"
    "基本基础核心中心中央内部关系相关有关相信真实真的实际具体详细简单复杂困难容易快速直接立即"
    "已经正在将在还有还能没人有人别人个人人员人物人生生命生产发展发现发生发送发布发表变化影响"
    "作用意义意思意见思想考虑理论理由原因结果条件情况状态环境空间位置距离范围大小长度数量质量"
    "标准规定规则要求请求回答答案提供提出提示说明解释描述介绍表示表达表现定义例如比如如下如此"
    "同时共同全面完全完整安全保护保证保持支持帮助管理控制组织领导活动运动行动行为行业专业工业"
    "农业商业银行金融投资资金费用收入成本利益资源能源材料水平程度速度效果效率特点优势价值目标"
    "目的计划规划政策制度法律责任合作合理健康医院医生治疗患者身体精神心理感觉喜欢快乐幸福漂亮"
    "努力坚持机会准备参加参与参考访问登录注册账户密码权限你好您好谢谢感谢欢迎再次重新自动自然"
    "自由随机默认当前公共开放公开天气天空太阳空气动物植物森林道路汽车飞机食品水果苹果每天一天"
    "一年多少几年上的中的里的个月年度春节方便時間問題我們沒有資料先生説明設定情報必要場合確認"
    "入力変更対応検索電話東京大阪関連今日開始終了画像動画記事一覧無料国务会议扩大消费措施指出"
    "准确贯彻理念部署促进报道新华近日主持召开姓名年龄加强推进推动落实机构机制创新战略战争和平"
    "民族民主群众干部法院经营业务贸易出口进口就业工资土地比赛冠军球队新闻记者媒体网友视觉声音"
    "颜色传统现代未来过去"
)
_HAN_PAIRS = frozenset(_HAN_WORDS[at : at + 2] for at in range(0, len(_HAN_WORDS), 2))
"""Common words of Chinese (and Japanese) with two characters that are one token of o200k. Words
make simple sentences cost half of what names and verse cost, so no one line fits both."""

_HAN_CHARACTER = 1.04
"""Tokens of a Chinese character outside of these words; rare ones take two or three."""

_SPACE: _Price = (80.0, 0.012)
_LINES: _Price = (10.0, 0.07)
_PUNCTUATION: _Price = (3.0, 0.35)
_RULE: _Price = (64.0, 0.03)
"""A run of one character, as under a heading."""

# (starts with a space, is upper case at its end) → price; a word glued to what stands before it
# is more often a fragment.
_WORDS: dict[tuple[bool, bool], _Price] = {
    (True, False): (7.0, 0.19),
    (False, False): (3.3, 0.11),
    (True, True): (3.0, 0.145),
    (False, True): (2.0, 0.24),
}

_CAPITALS: _Price = (1.0, 0.27)
"""Two capitals before small letters: an abbreviation glued to a word."""

_MARKS = (0.1, 0.45)
"""More tokens for each marked letter up to ÿ, and after it (ř, ş, ő, ằ): the unmarked words of
languages that use it are dearer than English ones, too."""


def estimate_text(text: str) -> int:
    """Tokens of a text in o200k's measure; 0 for no text."""
    return round(_cost(text))


def _cost(text: str) -> float:
    pieces = Counter(_PIECES.findall(text))
    known = sum(count * _piece_cost(piece) for piece, count in pieces.items())
    return known + _NOISE_MORE * sum(len(run) for run in _RUNS.findall(text) if _is_noise(run))


def _is_noise(run: str) -> bool:
    """Whether a run is base64: of both cases, and in pieces too short for words."""
    mixed = not (run.islower() or run.isupper())
    return mixed and len(_PIECES.findall(run)) * 3 > len(run)


def _piece_cost(piece: str) -> float:
    if "\u3400" <= piece[-1] <= "\u9fff":
        return _han_cost(piece)
    covered, slope = _price(piece)
    marks = 0.0 if piece.isascii() else sum(_MARKS[c > "ÿ"] for c in piece if "À" <= c < "ɐ")
    return 1 + max(0.0, len(piece) - covered) * slope + marks


def _han_cost(piece: str) -> float:
    at = words = characters = 0
    while at < len(piece):
        known = piece[at : at + 2] in _HAN_PAIRS
        words += known
        characters += not known
        at += 2 if known else 1
    return words + characters * _HAN_CHARACTER


def _price(piece: str) -> _Price:
    """The line over the length of a piece, by its last character."""
    last = piece[-1]
    if last.isalpha() and last.isascii():
        return _word_price(piece)
    if last.isdigit():
        return _ONE
    if len(piece) > 4 and piece[1] * (len(piece) - 2) == piece[1:-1] and not last.isalpha():
        return _RULE
    if last > "\x7f":
        return _SCRIPTS[bisect_right(_STARTS, ord(last)) - 1][1]
    if piece.isspace():
        return _LINES if last in "\r\n" else _SPACE
    return _PUNCTUATION


def _word_price(word: str) -> _Price:
    if word[-1].islower() and word[1:2].isupper() and word[0].isupper():
        return _CAPITALS
    return _WORDS[word[0] == " ", word[-1].isupper()]
