package gb28181

// TypeCode is digits 11 to 13 of a code: what kind of thing it names.
type TypeCode uint16

// The type codes of GB/T 28181-2022 Annex E.1. Codes marked 2022 did not exist in the 2016 edition.
const (
	TypeDVR             TypeCode = 111
	TypeVideoServer     TypeCode = 112
	TypeEncoder         TypeCode = 113
	TypeDecoder         TypeCode = 114
	TypeVideoMatrix     TypeCode = 115
	TypeAudioMatrix     TypeCode = 116
	TypeAlarmController TypeCode = 117
	TypeNVR             TypeCode = 118
	TypeAcquisition     TypeCode = 120 // 2022
	TypeCheckpoint      TypeCode = 121 // 2022, 卡口
	TypeMultiLens       TypeCode = 122 // 2022
	TypeParking         TypeCode = 123 // 2022
	TypeAccessControl   TypeCode = 124 // 2022
	TypeSecurityCheck   TypeCode = 125 // 2022
	TypeHVR             TypeCode = 130
	TypeCamera          TypeCode = 131 // analog camera, 摄像机
	TypeIPC             TypeCode = 132 // network camera, 网络摄像机
	TypeDisplay         TypeCode = 133
	TypeAlarmInput      TypeCode = 134
	TypeAlarmOutput     TypeCode = 135
	TypeVoiceInput      TypeCode = 136
	TypeVoiceOutput     TypeCode = 137
	TypeMobile          TypeCode = 138
	TypePeripheral      TypeCode = 139
	TypeAlarmRelay      TypeCode = 140 // 2022
	TypeBarrierGate     TypeCode = 141 // 2022
	TypeSmartDoor       TypeCode = 142 // 2022
	TypeCredential      TypeCode = 143 // 2022
	TypeServer          TypeCode = 200 // SIP signalling server, 中心信令控制服务器: a platform
	TypeWebServer       TypeCode = 201
	TypeMediaServer     TypeCode = 202
	TypeProxy           TypeCode = 203
	TypeSecurityServer  TypeCode = 204
	TypeAlarmServer     TypeCode = 205
	TypeDatabase        TypeCode = 206
	TypeGIS             TypeCode = 207
	TypeManagement      TypeCode = 208
	TypeAccessGateway   TypeCode = 209
	TypeMediaStorage    TypeCode = 210
	TypeSecureRouting   TypeCode = 211
	TypeBusinessGroup   TypeCode = 215 // 业务分组
	TypeVirtualOrg      TypeCode = 216 // 虚拟组织
	TypeVideoPlatform   TypeCode = 500
	TypeOandMPlatform   TypeCode = 501
	TypeAnalysisSystem  TypeCode = 502 // 2022
	TypeImageDatabase   TypeCode = 503 // 2022
	TypeAnalysisDevice  TypeCode = 505 // 2022
)

// String returns the name of the type in plain words, as shown to people.
func (t TypeCode) String() string {
	if name := t.device(); name != "" {
		return name
	}
	if name := t.server(); name != "" {
		return name
	}
	switch {
	case t >= 111 && t <= 199:
		return "reserved device"
	case t >= 200 && t <= 299:
		return "reserved server"
	case t >= 300 && t <= 399:
		return "centre user"
	case t >= 400 && t <= 499:
		return "end user"
	case t >= 500 && t <= 599:
		return "reserved platform"
	case t >= 600 && t <= 999:
		return "extension"
	}
	return "unknown"
}

func (t TypeCode) device() string {
	switch t {
	case TypeDVR:
		return "DVR"
	case TypeVideoServer:
		return "video server"
	case TypeEncoder:
		return "encoder"
	case TypeDecoder:
		return "decoder"
	case TypeVideoMatrix:
		return "video matrix"
	case TypeAudioMatrix:
		return "audio matrix"
	case TypeAlarmController:
		return "alarm controller"
	case TypeNVR:
		return "NVR"
	case TypeAcquisition:
		return "online image acquisition system"
	case TypeCheckpoint:
		return "checkpoint"
	case TypeMultiLens:
		return "multi-lens device"
	case TypeParking:
		return "parking device"
	case TypeAccessControl:
		return "access control"
	case TypeSecurityCheck:
		return "security-check device"
	case TypeHVR:
		return "HVR"
	case TypeCamera:
		return "camera"
	case TypeIPC:
		return "network camera"
	case TypeDisplay:
		return "display"
	case TypeAlarmInput:
		return "alarm input"
	case TypeAlarmOutput:
		return "alarm output"
	case TypeVoiceInput:
		return "voice input"
	case TypeVoiceOutput:
		return "voice output"
	case TypeMobile:
		return "mobile transmission device"
	case TypePeripheral:
		return "other peripheral"
	case TypeAlarmRelay:
		return "alarm output relay"
	case TypeBarrierGate:
		return "barrier gate"
	case TypeSmartDoor:
		return "smart door"
	case TypeCredential:
		return "credential reader"
	}
	return ""
}

func (t TypeCode) server() string {
	switch t {
	case TypeServer:
		return "signalling server"
	case TypeWebServer:
		return "web server"
	case TypeMediaServer:
		return "media server"
	case TypeProxy:
		return "proxy"
	case TypeSecurityServer:
		return "security server"
	case TypeAlarmServer:
		return "alarm server"
	case TypeDatabase:
		return "database"
	case TypeGIS:
		return "GIS server"
	case TypeManagement:
		return "management server"
	case TypeAccessGateway:
		return "access gateway"
	case TypeMediaStorage:
		return "media storage"
	case TypeSecureRouting:
		return "signalling security routing gateway"
	case TypeBusinessGroup:
		return "business group"
	case TypeVirtualOrg:
		return "virtual organisation"
	case TypeVideoPlatform:
		return "video application platform"
	case TypeOandMPlatform:
		return "O&M platform"
	case TypeAnalysisSystem:
		return "analysis system"
	case TypeImageDatabase:
		return "image database"
	case TypeAnalysisDevice:
		return "analysis device"
	}
	return ""
}
