# SPDX-License-Identifier: Apache-2.0
"""The fixed sentences of a resident's page, in English and Chinese.

`edge_gate/documents/resident_page.py` puts the card's figures in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Words:
    """One language. Names in braces are filled from the card; ``suffix`` ends the card's fields in this language."""

    suffix: str
    page_title: str
    what_title: str
    purposes: Mapping[str, str]
    other_purpose: str
    untranslated: str
    trained_title: str
    trained: str
    source: str
    taught_title: str
    teacher: str
    teacher_data: str
    no_teacher: str
    generator: str
    generator_data: str
    well_title: str
    setting: str
    strangers: str
    everybody: str
    right_person: str
    probes: Mapping[str, str]
    or_more: str
    photographs: str
    evaluated: str
    evaluation: str
    interval: str
    not_proven: str
    not_stated: str
    no_interval: str
    no_figures: str
    no_point: str
    no_fnmr: str
    no_evaluation: str
    unknown_title: str
    choice_title: str
    choices: tuple[str, ...]


ENGLISH = Words(
    suffix="",
    page_title="For residents: the model {name}",
    what_title="WHAT IT DOES, AND WHAT IT DOES NOT",
    purposes=MappingProxyType(
        {
            "eye-region embedding": "It turns a small picture of your eyes and brows into {size} numbers. The gate"
            " compares them with the numbers from your enrolment, and so tells whether you are the same person, behind"
            " a mask too. It does not guess age, sex, origin, health or mood. It does not look for people who did not"
            " enrol. It is not for children. Another model looks for photographs held up to the camera; it misses some."
            " This one should not be the only proof of who you are where a mistake would be grave.",
            "face detection": "It finds where in the picture there is a face. It does not know whose.",
            "face mesh": "It finds the outline of the face, so that the eyes can be cut out straight. It does not know"
            " whose face it is.",
            "eye lids": "It sees whether an eye is open. It does not know whose eye it is.",
            "presentation attack detection": "It looks at a face with what is around it, and judges whether a person"
            " stands there or a picture is held up. It does not know whose face it is. It errs in both ways: a good"
            " screen may pass, and a person may be taken for a picture. Then use your card, or ring.",
        }
    ),
    other_purpose="{use}",
    untranslated="This card has no text in this language; what it says is quoted as it is.",
    trained_title="WHAT IT WAS TRAINED ON",
    trained="Pictures: {total}. Sources: {sources}. For each: how many, on what terms, whether the people were asked,"
    " and what speaks against it.",
    source="- {name}: {count}. Terms: {licence}. {basis}. Against it: {objections}.",
    taught_title="WHO TAUGHT IT",
    teacher="Another model: {name}. {role}",
    teacher_data="What that one was trained on: {training_data}",
    no_teacher="Its makers trained it; it is used as they published it ({source}). Whether another model taught it: not"
    " known.",
    generator="Who made the pictures: {name}. {role}",
    generator_data="What that one was trained on: {training_data}",
    well_title="HOW WELL IT DOES",
    setting="For a gate set so that about 1 stranger in {one_in} would pass as a given resident. Ask the"
    " operator how yours is set.",
    strangers="- Of {base} strangers compared with one resident, about {n} would be taken for them. Counted: {made} in"
    " {of} comparisons; with 95% confidence not above {upper}. The comparisons share people, so the true limit is"
    " wider.",
    everybody="- A gate compares with every resident. With {residents} residents, up to about {n} of {base} strangers"
    " would be taken for one of them; each further try is another chance.",
    right_person="- Of 100 tries of the right person ({probe}), about {n}{more} would not be recognised. {tries} tries"
    " were counted; {interval}.",
    probes=MappingProxyType({}),
    or_more=" or more",
    photographs="These were photographs, not people at a gate. How often it errs at your gate: not proven.",
    evaluated="On other photographs, one against one, which is harder than several:",
    evaluation="- {data}: of 100 pairs of one person, {n} not recognised ({interval}), where 1 stranger in {one_in}"
    " passes; {tries} such pairs, {people} people.",
    interval="95% interval {low} to {high}",
    not_proven="not proven",
    not_stated="not stated",
    no_interval="how exact this is: not proven",
    no_figures="Not proven: the card has no figure. This model compares nobody; if it errs, you are asked to try again"
    " or are not seen.",
    no_point="- How many strangers would be taken for a resident, and how often the right person is not recognised: not"
    " proven at this setting.",
    no_fnmr="- How often the right person is not recognised: not proven.",
    no_evaluation="- {data}: not proven.",
    unknown_title="WHAT IS NOT KNOWN",
    choice_title="WHAT YOU CAN DO",
    choices=(
        "You need not enrol. There must be another way in, without your being worse off: ask for a card or a key, or"
        " ring the bell.",
        "You may withdraw at any time, without giving reasons. Your numbers (the template) are erased at once.",
        "You may ask what is stored of you, have it corrected, or have all of it erased; ask for old"
        " backups to be destroyed too.",
        "No picture of you is stored or sent. If something seems wrong to you, ask the operator, or turn to the"
        " authority for data protection.",
    ),
)

CHINESE = Words(
    suffix="_zh",
    page_title="给住户：关于模型 {name}",
    what_title="【它做什么，不做什么】",
    purposes=MappingProxyType(
        {
            "eye-region embedding": "它把您眼睛和眉毛的一小块画面变成 {size} 个数字。门口的设备把这些数字与您登记时的"
            "数字相比，判断是不是同一个人，戴口罩也可以。它不猜测年龄、性别、族裔、健康或情绪，不寻找没有登记的人，"
            "不用于儿童。另一个模型会识别举在镜头前的照片，但会有漏掉的。如果认错会造成严重后果，就不应该只靠它来证明身份。",
            "face detection": "它在画面里找出哪里有脸。它不知道是谁的脸。",
            "face mesh": "它找出脸的轮廓，好把眼部端正地截取出来。它不知道是谁的脸。",
            "eye lids": "它看眼睛是不是睁着。它不知道是谁的眼睛。",
            "presentation attack detection": "它看脸和脸的周围，判断站在那里的是真人，还是有人举着照片或屏幕。它不知道"
            "是谁的脸。两种错都会出现：好的屏幕可能骗过它，真人也可能被当成照片。那时请用门卡，或者按门铃。",
        }
    ),
    other_purpose="{use}",
    untranslated="这个模型的说明卡没有完整的中文内容，下面引用的部分保留英文原文。",
    trained_title="【它是用什么训练的】",
    trained="共 {total} 张照片，{sources} 个来源，名称保留原文。下面逐一写明张数、使用条款、是否征求过本人同意，以及"
    "有什么值得反对的地方。",
    source="- {name}：{count} 张。条款：{licence}。{basis}。问题：{objections}。",
    taught_title="【它是跟谁学的】",
    teacher="另一个模型：{name}。{role}",
    teacher_data="那个模型又是用什么训练的：{training_data}",
    no_teacher="由它的作者训练，这里原样使用（{source}）。是否由别的模型教过：不清楚。",
    generator="照片是谁做出来的：{name}。{role}",
    generator_data="这个生成器又是用什么训练的：{training_data}",
    well_title="【它认得有多准】",
    setting="以下假定门口设为：每 {one_in} 个陌生人中约有 1 人会被当成某一位住户。您这里怎样设定，请问管理员。",
    strangers="- 每 {base} 个陌生人与一位住户相比，大约有 {n} 人会被当成这位住户。实测：{of} 次比对中有 {made} 次；"
    "有 95% 的把握不超过 {upper} 人。这些比对中有重复的人，所以真实的上限还要高一些。",
    everybody="- 设备会与每一位住户比对。如果有 {residents} 位住户，每 {base} 个陌生人中最多约有 {n} 人会被当成"
    "其中某一位；每多试一次，就多一次机会。",
    right_person="- 本人每试 100 次（{probe}），大约有 {n} 次{more}认不出来。共统计 {tries} 次；{interval}。",
    probes=MappingProxyType(
        {
            "one masked picture": "一张戴口罩的照片",
            "four masked pictures": "四张不同的戴口罩照片",
            "four frames of one masked picture": "同一张戴口罩照片的四帧画面",
        }
    ),
    or_more="或更多",
    photographs="这些是照片，不是站在门口的人。在您这里的门口会错多少：没有得到证明。",
    evaluated="用另外的照片，一张比一张（比用几张更难）：",
    evaluation="- {data}：本人的 100 对照片中有 {n} 对认不出来（{interval}），此时每 {one_in} 个陌生人中约有 1 人通过；"
    "共 {tries} 对，{people} 人。",
    interval="95% 区间为 {low} 到 {high}",
    not_proven="没有得到证明",
    not_stated="没有说明",
    no_interval="这个数字有多精确，没有得到证明",
    no_figures="没有得到证明：说明卡上没有数字。这个模型不比对任何人；它出错时，您会被请求再试一次，或者没有被看到。",
    no_point="- 有多少陌生人会被当成住户、本人有多少次认不出来：在这个设定下没有得到证明。",
    no_fnmr="- 本人有多少次认不出来：没有得到证明。",
    no_evaluation="- {data}：没有得到证明。",
    unknown_title="【还不知道什么】",
    choice_title="【您可以怎么做】",
    choices=(
        "您可以不登记。必须有别的方式让您进门，而且您不应因此受到不便：请向管理员要门卡或钥匙，或者按门铃。",
        "您可以随时撤回同意，不必说明理由。您的那组数字（模板）会立即删除。",
        "您可以询问保存了您的哪些内容，要求更正，或要求全部删除；旧的备份也请要求一并销毁。",
        "您的照片不会被保存，也不会被发送。如果觉得有不对的地方，请问管理员，也可以向个人信息保护的主管机关投诉。",
    ),
)

LANGUAGES: Mapping[str, Words] = MappingProxyType({"zh": CHINESE, "en": ENGLISH})
