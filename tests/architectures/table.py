"""Where an expert looks, architecture by architecture: written down from the papers and the code, not from our answer.

name, image, layer, grid, layout, knobs of the constructor where there are any

The layer is the last one whose cells still have a say in the answer: the output of the last stage, or the activation,
norm or 1×1 convolution behind it, before any pooling. Behind the last attention to a class token the patches are read
by nobody, so there it is the first norm of the last block. Nested modules that return one tensor go by the outermost
(`stages`, not `stages.3.blocks.1.drop_path`), unless that returns more than the tensor. SqueezeNet classifies by a
convolution, whose maps are then the last ones; a segmentation's classes are its answer, and no place.

Layouts: map [n, k, h, w] · last [n, h, w, k] · tokens:p [n, p + h·w, k], with p class, distillation, register tokens.
Where an architecture takes any size the image is not square, so that a grid lying on its side would be seen.
"""

from typing import Any, NamedTuple


class Row(NamedTuple):
    name: str
    size: tuple[int, int]
    layer: str
    grid: tuple[int, int]
    kind: str
    prefix: int
    knobs: dict[str, Any]


def _pair(text: str) -> tuple[int, int]:
    h, w = text.split("×")
    return int(h), int(w)


def _rows(text: str) -> list[Row]:
    """One row a line."""
    rows = []
    for line in text.replace("…", "ForImageClassification").strip().splitlines():
        name, size, layer, grid, layout, *knobs = line.split()
        kind, _, prefix = layout.partition(":")
        given = eval(f"dict({knobs[0]})") if knobs else {}
        rows.append(Row(name, _pair(size), layer, _pair(grid), kind, int(prefix or 0), given))
    return rows


TIMM = _rows("""
resnet18                         96×128   layer4                         3×4    map
resnetv2_18                      96×128   norm                           3×4    map
resnetv2_50x1_bit                96×128   norm                           3×4    map
resnest14d                       96×128   layer4                         3×4    map
skresnet18                       96×128   layer4                         3×4    map
legacy_seresnet18                96×128   layer4                         3×4    map
regnetx_002                      96×128   s4                             3×4    map
densenet121                      96×128   features                       3×4    map
dpn48b                           96×128   features                       3×4    map
dla34                            96×128   level5                         3×4    map
hrnet_w18_small                  96×128   final_layer                    3×4    map
inception_v3                     160×192  Mixed_7c                       3×4    map
inception_v4                     160×192  features                       3×4    map
legacy_xception                  96×128   act4                           3×4    map
xception41                       96×128   blocks                         3×4    map
darknet53                        96×128   stages                         3×4    map
cspresnet50                      96×128   stages                         3×4    map
repvgg_a0                        96×128   stages                         3×4    map
mobileone_s0                     96×128   stages                         3×4    map
gernet_s                         96×128   final_conv                     3×4    map
nf_regnet_b0                     96×128   final_act                      3×4    map
efficientnet_b0                  96×128   bn2                            3×4    map
mobilenetv2_035                  96×128   bn2                            3×4    map
mobilenetv3_small_050            96×128   blocks                         3×4    map
mobilenetv4_conv_small_035       96×128   blocks                         3×4    map
hardcorenas_a                    96×128   blocks                         3×4    map
ghostnet_050                     96×128   blocks                         3×4    map
rexnet_100                       96×128   features                       3×4    map
selecsls42                       192×256  head                           3×4    map
ese_vovnet19b_slim               96×128   stages                         3×4    map
hgnetv2_b0                       96×128   stages                         3×4    map
starnet_s050                     96×128   norm                           3×4    map
fasternet_t0                     96×128   stages                         3×4    map
repvit_m0_9                      96×128   stages                         3×4    map
mambaout_femto                   96×128   stages                         3×4    last
convnext_atto                    96×128   stages                         3×4    map
convnextv2_atto                  96×128   stages                         3×4    map
convmixer_768_32                 56×84    blocks                         8×12   map
edgenext_xx_small                96×128   stages                         3×4    map
fastvit_t8                       96×128   final_conv                     3×4    map
mobilevit_xxs                    96×128   final_conv                     3×4    map
mobilevitv2_050                  128×192  stages                         4×6    map
efficientvit_b0                  96×128   head.in_conv                   3×4    map
efficientvit_m0                  224×224  stages                         4×4    map
efficientformer_l1               224×224  norm                           7×7    tokens
efficientformerv2_s0             224×224  norm                           7×7    map
poolformer_s12                   96×128   stages                         3×4    map
pvt_v2_b0                        96×128   stages                         3×4    map
tiny_vit_5m_224                  96×128   stages                         3×4    map
botnet26t_256                    256×256  stages                         8×8    map
coatnet_nano_rw_224              224×224  norm                           7×7    map
maxvit_pico_rw_256               256×256  norm                           8×8    map
visformer_tiny                   224×224  norm                           7×7    map
gcvit_xxtiny                     224×224  stages                         7×7    map
vit_tiny_patch16_224             224×224  blocks.11.norm1                14×14  tokens:1
deit_tiny_distilled_patch16_224  224×224  blocks.11.norm1                14×14  tokens:2
deit3_small_patch16_224          224×224  blocks.11.norm1                14×14  tokens:1  embed_dim=192,num_heads=3
vit_small_patch14_reg4_dinov2    112×112  blocks.11.norm1                8×8    tokens:5  img_size=112
vit_base_patch16_siglip_224      224×224  norm                           14×14  tokens    embed_dim=192,num_heads=3
vit_base_patch32_clip_224        224×224  blocks.11.norm1                7×7    tokens:1  embed_dim=192,num_heads=3
vit_wee_patch16_reg1_gap_256     256×256  blocks                         16×16  tokens:1
vit_relpos_small_patch16_224     224×224  blocks.11                      14×14  tokens
beit_base_patch16_224            224×224  blocks.11                      14×14  tokens:1  embed_dim=192,num_heads=3
eva02_tiny_patch14_224           224×224  blocks.11                      16×16  tokens:1
vit_small_patch16_dinov3         128×160  norm                           8×10   tokens:5  img_size=(128,160)
cait_xxs24_224                   224×224  blocks_token_only.1.norm1      14×14  tokens:1
xcit_nano_12_p16_224             224×224  cls_attn_blocks.1.norm1        14×14  tokens:1
mixer_s32_224                    224×224  norm                           7×7    tokens
resmlp_12_224                    224×224  norm                           14×14  tokens
gmlp_ti16_224                    224×224  norm                           14×14  tokens
levit_128s                       224×224  stages                         4×4    tokens
pit_ti_224                       224×224  transformers.2.blocks.3.norm1  7×7    tokens:1
pit_ti_distilled_224             224×224  transformers.2.blocks.3.norm1  7×7    tokens:2
coat_lite_tiny                   224×224  serial_blocks4.1.norm1         7×7    tokens:1
convit_tiny                      224×224  blocks.11.norm1                14×14  tokens:1
crossvit_tiny_240                240×240  blocks.2.fusion.1.norm1        20×20  tokens:1
twins_pcpvt_small                224×224  norm                           7×7    tokens
swin_tiny_patch4_window7_224     224×224  norm                           7×7    last      embed_dim=48
swinv2_tiny_window8_256          256×256  norm                           8×8    last      embed_dim=48
swinv2_cr_tiny_224               224×224  stages                         7×7    map       embed_dim=48
hiera_tiny_224                   224×224  blocks.11                      7×7    tokens    embed_dim=48
mvitv2_tiny                      224×224  norm                           7×7    tokens
""")

TIMM_SLOW = _rows("""
vgg11_bn                         96×128   features.27               6×8    map
seresnet50                       96×128   layer4                    3×4    map
res2net50_26w_4s                 96×128   layer4                    3×4    map
regnety_002                      96×128   s4                        3×4    map
inception_resnet_v2              160×192  conv2d_7b                 3×4    map
cs3darknet_s                     96×128   stages                    3×4    map
nf_resnet26                      96×128   final_act                 3×4    map
eca_nfnet_l0                     96×128   final_act                 3×4    map
dm_nfnet_f0                      96×128   final_act                 3×4    map
tf_efficientnetv2_b0             96×128   bn2                       3×4    map
mnasnet_small                    96×128   bn2                       3×4    map
lcnet_035                        96×128   blocks                    3×4    map
fbnetv3_b                        96×128   blocks                    3×4    map
ghostnetv2_100                   96×128   blocks                    3×4    map
repghostnet_050                  96×128   blocks                    3×4    map
tinynet_e                        96×128   bn2                       3×4    map
mixnet_s                         96×128   bn2                       3×4    map
tresnet_m                        96×128   body                      3×4    map
vovnet39a                        96×128   stages                    3×4    map
rdnet_tiny                       96×128   dense_stages              3×4    map
inception_next_atto              96×128   stages                    3×4    map
swiftformer_xs                   224×224  norm                      7×7    map
shvit_s1                         192×256  stages                    3×4    map
caformer_s18                     96×128   stages                    3×4    map
convformer_s18                   96×128   stages                    3×4    map
halonet26t                       256×256  stages                    8×8    map
lambda_resnet26t                 96×128   stages                    3×4    map
davit_tiny                       96×128   stages                    3×4    map
focalnet_tiny_srf                96×128   norm                      3×4    map
nextvit_small                    96×128   norm                      3×4    map
maxvit_tiny_tf_224               224×224  stages                    7×7    map
nasnetalarge                     163×227  act                       6×8    map
pnasnet5large                    163×227  act                       6×8    map
efficientvim_m1                  192×256  norm.3                    3×4    map
csatv2                           512×512  stages                    8×8    map
iformer_t                        96×128   stages                    3×4    map
lowformer_b0                     96×128   in_conv                   3×4    map
cpubone_nano                     96×128   head.in_conv              3×4    map
deit_tiny_patch16_224            224×224  blocks.11.norm1           14×14  tokens:1
flexivit_small                   240×240  blocks.11.norm1           15×15  tokens:1
vit_small_r26_s32_224            224×224  blocks.11.norm1           7×7    tokens:1
vit_relpos_base_patch16_cls_224  224×224  blocks.11.norm1           14×14  tokens:1
vit_small_patch16_rope_224       224×224  blocks.11.norm1           14×14  tokens:1
vitamin_small_224                224×224  blocks                    14×14  tokens
samvit_base_patch16_224          224×224  neck                      14×14  map
naflexvit_base_patch16_gap       96×128   blocks.11                 6×8    tokens:4
beitv2_base_patch16_224          224×224  blocks.11                 14×14  tokens:1
gmixer_12_224                    224×224  norm                      14×14  tokens
levit_conv_128s                  224×224  stages                    4×4    map
tnt_s_legacy_patch16_224         224×224  blocks.11.norm_out        14×14  tokens:1
twins_svt_small                  224×224  norm                      7×7    tokens
coat_tiny                        224×224  parallel_blocks.5.norm14  7×7    tokens:1
volo_d1_224                      224×224  norm                      14×14  tokens:1
swin_s3_tiny_224                 224×224  norm                      7×7    last
nest_tiny                        224×224  norm                      14×14  last
mvitv2_small_cls                 224×224  stages.3.blocks.1.norm1   7×7    tokens:1
sequencer2d_s                    224×224  norm                      16×16  last
hieradet_small                   256×256  blocks.15                 8×8    last
""")

TORCHVISION = _rows("""
alexnet                       192×256  features.11                           11×15  map
vgg16_bn                      224×224  features.42                           14×14  map       init_weights=False
resnet18                      96×128   layer4                                3×4    map
resnext50_32x4d               96×128   layer4                                3×4    map
squeezenet1_1                 96×128   classifier.2                          5×7    map
densenet121                   96×128   features                              3×4    map
googlenet                     96×128   inception5b                 3×4    map       init_weights=False,aux_logits=False
inception_v3                  160×192  Mixed_7c                              3×4    map       init_weights=False
mnasnet0_5                    96×128   layers                                3×4    map
shufflenet_v2_x0_5            96×128   conv5                                 3×4    map
mobilenet_v2                  96×128   features                              3×4    map
mobilenet_v3_small            96×128   features                              3×4    map
efficientnet_b0               96×128   features                              3×4    map
regnet_y_400mf                96×128   trunk_output                          3×4    map
convnext_tiny                 96×128   features                              3×4    map
vit_b_16                      112×112  encoder.layers.encoder_layer_11.ln_1  7×7    tokens:1  image_size=112
swin_t                        96×128   norm                                  3×4    last
swin_v2_t                     96×128   norm                                  3×4    last
fcn_resnet50                  96×128   classifier.2                          12×16  map       weights_backbone=None
deeplabv3_mobilenet_v3_large  96×128   classifier.3                          6×8    map       weights_backbone=None
lraspp_mobilenet_v3_large     96×128   classifier.cbr                        6×8    map       weights_backbone=None
""")

TORCHVISION_SLOW = _rows("""
vgg11               96×128   features.19   6×8    map
wide_resnet50_2     96×128   layer4        3×4    map
efficientnet_v2_s   96×128   features      3×4    map
maxvit_t            224×224  blocks.3      7×7    map
deeplabv3_resnet50  96×128   classifier.3  12×16  map  weights_backbone=None
""")

# "…" is ForImageClassification
_VIT = "hidden_size=32,num_hidden_layers=3,num_attention_heads=2,intermediate_size=64,image_size=64,patch_size=16"
_DINO = "hidden_size=32,num_hidden_layers=3,num_attention_heads=2,image_size=70,patch_size=14"
_SWIN = "image_size=64,patch_size=4,embed_dim=12,depths=[1,2],num_heads=[2,2],window_size=4"
_CONV = "hidden_sizes=[8,16,24,32],depths=[1,1,1,2]"
_MOBILE = "initializer_range=0.3,hidden_sizes=[24,32,40],neck_hidden_sizes=[8,16,24,32,40,48,64]"
_PVT = "image_size=64,hidden_sizes=[8,16,24,32],depths=[1]*4,num_attention_heads=[1,1,2,2]"
_FOCAL = "image_size=64,embed_dim=8,depths=[1]*4,focal_levels=[1]*4,focal_windows=[3]*4"
_LEVIT = "hidden_sizes=[32,48,64],num_attention_heads=[2,2,2],depths=[1,1,1],key_dim=[8,8,8]"
_CLIP = f"{_VIT},projection_dim=16"
_TWO = f"vision_config=dict({_VIT})"
_V3 = f"{_VIT},num_register_tokens=4"
_RES = f"{_CONV},embedding_size=8"
_REGNET = f"{_RES},groups_width=8"
_BIT = f"{_RES},num_groups=4"
_V2 = "depth_multiplier=0.35"
_SEG = "hidden_sizes=[8,16,24,32],decoder_hidden_size=16"

HUGGING_FACE = _rows(f"""
ViT…                              64×64    vit.layers.2.layernorm_before              4×4    tokens:1  {_VIT}
DeiT…                             64×64    deit.layers.2.layernorm_before             4×4    tokens:2  {_VIT}
Beit…                             64×64    beit.layers.2                              4×4    tokens:1  {_VIT}
CLIPVisionModelWithProjection     64×64    vision_model.encoder.layers.2.layer_norm1  4×4    tokens:1  {_CLIP}
CLIP…                             64×64    vision_model.encoder.layers.2              4×4    tokens:1  {_TWO}
SiglipVisionModel                 64×64    post_layernorm                             4×4    tokens    {_VIT}
Siglip…                           64×64    vision_model.post_layernorm                4×4    tokens    {_TWO}
Dinov2…                           70×70    dinov2.layernorm                           5×5    tokens:1  {_DINO}
Dinov2WithRegisters…              70×70    dinov2_with_registers.layernorm            5×5    tokens:5  {_DINO}
DINOv3ViTModel                    64×96    model.layer.2.norm1                        4×6    tokens:5  {_V3}
Swin…                             64×64    swin.layernorm                             8×8    tokens    {_SWIN}
Swinv2…                           64×64    swinv2.layernorm                           8×8    tokens    {_SWIN}
ConvNext…                         96×128   convnext.encoder.stages.3                  3×4    map       {_CONV}
ResNet…                           96×128   resnet.encoder.stages.3                    3×4    map       {_RES}
RegNet…                           96×128   regnet.encoder.stages.3                    3×4    map       {_REGNET}
Bit…                              96×128   bit.norm                                   3×4    map       {_BIT}
PoolFormer…                       96×128   norm                                       3×4    map       {_CONV}
MobileNetV2…                      96×128   mobilenet_v2.conv_1x1                      3×4    map       {_V2}
MobileViT…                        96×128   mobilevit.conv_1x1_exp                     3×4    map       {_MOBILE}
Segformer…                        96×128   segformer.stages.3                         3×4    map       {_SEG}
SegformerForSemanticSegmentation  96×128   decode_head.activation                     24×32  map       {_SEG}
Pvt…                              64×64    pvt.encoder.block.3.0.layer_norm_1         2×2    tokens:1  {_PVT}
FocalNet…                         64×64    focalnet.layernorm                         2×2    tokens    {_FOCAL}
Levit…                            224×224  levit.encoder.stages.2                     4×4    tokens    {_LEVIT}
""")
