-- SPDX-License-Identifier: GPL-2.0-only
-- Wireshark and tshark show the notifications of the multi-interface extension (MMX) with this:
--
--     tshark -X lua_script:braid_mmx.lua -r trace.pcap -V
--
-- or for good in the directory of personal Lua plugins (About Wireshark, Folders). It looks at what the
-- dissector of IKE found, decrypted where the keys are known, and adds a tree for each of them; filters
-- begin with mmx: mmx.action.code == 1, mmx.result.status > 3, mmx.ep.epid == 4.

local mmx = Proto("mmx", "Multi-interface extension of IKEv2")

local TYPES = {
	[52736] = "MMX_SUPPORTED",
	[52737] = "MMX_IFACE",
	[52738] = "MMX_OUTER",
	[52739] = "MMX_ACTION",
	[52740] = "MMX_RESULT",
	[52741] = "MMX_PATH",
}
local CODES = {
	"UPDATE", "ADD", "REMOVE", "SET_ALT", "ADD_IF", "DEL_IF", "FAILOVER", "QUERY",
}
local STATUSES = {
	[0] = "OK", [1] = "PARTIAL", [2] = "SKIPPED", [3] = "SUPERSEDED",
	[16] = "LOCAL_POLICY", [17] = "SPD_MISMATCH", [18] = "PAD_DENIED", [19] = "UNREACHABLE",
	[20] = "UNSUPPORTED", [21] = "UNKNOWN_SA", [22] = "UNKNOWN_ADDRESS", [23] = "LAST_ADDRESS",
	[24] = "TOO_MANY", [25] = "STATE_MISMATCH", [26] = "BUSY", [27] = "NOT_OWNER",
	[28] = "FAMILY", [29] = "NOT_ACTIVE", [30] = "MALFORMED", [31] = "ADDRESS_FAILURE",
}
local TLVS = {
	"EP", "SEL", "NONCE", "SPIS", "DIGEST", "TOKEN", "FAIL", "VALID", "LIMIT", "ATTR", "TEXT",
}
local ROLES = { "OLD", "NEW", "TO", "ALT", "SRC", "INNER_OLD", "INNER_NEW", "OBSERVED" }
local SIDES = { [0] = "sender", [1] = "receiver" }
local SELECTIONS = { [0] = "IKE SA", [1] = "SPIs", [2] = "all bound to OLD", [3] = "all" }
local PROTOCOLS = { [0] = "none", [2] = "AH", [3] = "ESP" }
local LINKS = { [0] = "unknown", "wired", "WLAN", "cellular", "satellite", "virtual" }
local MODES = { "single", "simultaneous", "alternates" }
local KINDS = { "probe", "answer" }
local ATTRS = { "bandwidth (kbit/s)", "cost", "lifetime (s)", "RTT (us)" }
local ATTR_CLASS = 0x8000
local CLASS_STATES = { [0] = "asked", "granted", "not granted", "no class", "no mode" }
local CLASS_MODES = { "balance", "active-standby", "priority", "smallest-delay", "redundant", "bond" }
ATTRS[ATTR_CLASS] = "class"
local LIMITS = {
	[8] = "interfaces", [9] = "endpoints of a side", [10] = "alternates", [11] = "actions",
	[12] = "derived Child SAs",
}

-- Every field, by its name after "mmx.".
local F = {}

local function field(name, make, text, ...)
	F[name] = make("mmx." .. name, text, ...)
end

-- The names of bits from bit 0 on make a field each, of so many bits in all.
local function flags(name, bits, names)
	F[name] = ProtoField["uint" .. bits]("mmx." .. name, "Flags", base.HEX)
	F[name .. "_bits"] = {}
	for i = 0, bits - 1 do
		local text = names[i]
		if text then
			local f = ProtoField.bool("mmx." .. name .. "." .. text:lower(), text, bits, nil,
				math.floor(2 ^ i))
			table.insert(F[name .. "_bits"], f)
			F[name .. "." .. text:lower()] = f
		end
	end
end

local U8, U16, U32 = ProtoField.uint8, ProtoField.uint16, ProtoField.uint32
local DEC, HEX, NONE = base.DEC, base.HEX, base.NONE

field("type", U16, "Notification", DEC, TYPES)
field("supported.major", U8, "Major version", DEC)
field("supported.minor", U8, "Minor version", DEC)
flags("supported.caps", 32, {
	[0] = "IFACE", "OUTER", "UPDATE", "ADDREMOVE", "CHECK", "ALT", "DERIVE", "DELIF", "TRANSPORT",
	"RESP_MOVE", "TOKEN", "QUERY",
})
field("supported.interfaces", U8, "Interfaces at most", DEC)
field("supported.endpoints", U8, "Endpoints of a side at most", DEC)
field("supported.alternates", U8, "Alternates at most", DEC)
field("supported.actions", U8, "Actions of a message at most", DEC)
field("supported.derived", U16, "Derived Child SAs at most", DEC)
field("supported.window", U8, "Request window", DEC)
field("iface.generation", U32, "Generation", DEC)
field("iface.ifid", U16, "Interface", DEC)
field("iface.preference", U8, "Preference", DEC)
flags("iface.flags", 8, { [0] = "UP", "METERED", "NAT", "BACKUP", "LAST", "EMPTY" })
field("iface.link", U8, "Link", DEC, LINKS)
field("iface.endpoints", U8, "Endpoints", DEC)
field("iface.mtu", U16, "MTU", DEC)
flags("iface.ep.flags", 8, { [0] = "CURRENT", "LOCAL" })
field("outer.mode", U8, "Mode", DEC, MODES)
flags("outer.flags", 8, { [0] = "STRICT", "NO_BOOT" })
field("path.kind", U8, "Kind", DEC, KINDS)
flags("path.flags", 8, { [0] = "WANT_TOKEN", "KEEP" })
field("path.epid_i", U16, "Endpoint of I", DEC)
field("path.epid_r", U16, "Endpoint of R", DEC)
field("path.nonce", ProtoField.bytes, "Nonce", NONE)
field("action.id", U16, "Action", DEC)
field("action.code", U8, "Code", DEC, CODES)
flags("action.flags", 8, {
	[0] = "CHECK", "HARD", "PARALLEL", "PRUNE", [5] = "BEST_EFFORT",
})
field("action.generation", U32, "Generation", DEC)
field("result.status", U16, "Status", DEC, STATUSES)
flags("result.flags", 8, { [0] = "CHECK", "RR_PENDING", "RENEGOTIATE", "RR_NOT_TESTED" })
field("result.affected", U16, "Affected SAs", DEC)
field("tlv.critical", ProtoField.bool, "Critical", 16, nil, 0x8000)
field("tlv.type", U16, "Type", DEC, TLVS, 0x7fff)
field("tlv.length", U16, "Length", DEC)
field("tlv.value", ProtoField.bytes, "Value", NONE)
field("ep.role", U8, "Role", DEC, ROLES)
field("ep.side", U8, "Side", DEC, SIDES)
flags("ep.flags", 8, { [0] = "IFID", "AS_OBSERVED", "ASSIGN", "HERE" })
field("ep.family", U8, "Address family", DEC)
field("ep.epid", U16, "Endpoint", DEC)
field("ep.port", U16, "Port", DEC)
field("ep.ipv4", ProtoField.ipv4, "Address")
field("ep.ipv6", ProtoField.ipv6, "Address")
field("sel.kind", U8, "Selection", DEC, SELECTIONS)
field("protocol", U8, "Protocol", DEC, PROTOCOLS)
field("spi.count", U16, "SPIs", DEC)
field("spi", U32, "SPI", HEX)
field("nonce", ProtoField.bytes, "Nonce", NONE)
field("digest.count", U16, "SAs", DEC)
field("digest", ProtoField.bytes, "Digest", NONE)
field("token", ProtoField.bytes, "Token", NONE)
field("detail", U16, "Detail", DEC)
field("valid", U32, "Valid for (s)", DEC)
field("limit.which", U16, "Limit", DEC, LIMITS)
field("limit.value", U16, "At most", DEC)
field("attr.name", U16, "Attribute", DEC, ATTRS)
field("attr.value", U32, "Value", DEC)
field("class.state", U8, "State", DEC, CLASS_STATES)
field("class.mode", U8, "Mode", DEC, CLASS_MODES)
field("class.copies", U8, "Copies", DEC)
field("class.interfaces", U8, "Preferred interfaces", DEC)
field("class.name", ProtoField.string, "Class")
field("text", ProtoField.string, "Text")

local all = {}
for _, f in pairs(F) do
	if type(f) ~= "table" then
		table.insert(all, f)
	end
end
mmx.fields = all

local malformed = ProtoExpert.new("mmx.malformed", "Malformed MMX notification", expert.group.MALFORMED,
	expert.severity.ERROR)
mmx.experts = { malformed }

-- A cursor over octets, which raises SHORT where they end.
local SHORT = {}
local Reader = {}
Reader.__index = Reader

local function reader(range)
	return setmetatable({ range = range, at = 0, len = range and range:len() or 0 }, Reader)
end

function Reader:left()
	return self.len - self.at
end

function Reader:take(n)
	if n > self:left() then
		error(SHORT)
	end
	local r = n > 0 and self.range(self.at, n) or nil
	self.at = self.at + n
	return r
end

-- Add the next n octets as that field; returns them.
function Reader:add(tree, name, n)
	local r = self:take(n)
	if r then
		tree:add(F[name], r)
	end
	return r
end

function Reader:uint(tree, name, n)
	return self:add(tree, name, n):uint()
end

function Reader:flags(tree, name, n)
	local r = self:take(n)
	local item = tree:add(F[name], r)
	for _, f in ipairs(F[name .. "_bits"]) do
		item:add(f, r)
	end
	return r:uint()
end

function Reader:address(tree, family)
	if family == 4 then
		return tostring(self:add(tree, "ep.ipv4", 4):ipv4())
	elseif family == 6 then
		return tostring(self:add(tree, "ep.ipv6", 16):ipv6())
	end
	error(SHORT)
end

local function bit_set(value, bit)
	return math.floor(value / 2 ^ bit) % 2 == 1
end

local function name_of(names, value)
	return names[value] or string.format("%d", value)
end

-- What a TLV of each type is; returns the text of its line.
local tlv = {}

function tlv.EP(r, tree)
	local role = r:uint(tree, "ep.role", 1)
	local side = r:uint(tree, "ep.side", 1)
	local fl = r:flags(tree, "ep.flags", 1)
	local family = r:uint(tree, "ep.family", 1)
	local epid = r:uint(tree, "ep.epid", 2)
	local port = r:uint(tree, "ep.port", 2)
	local text = string.format("%s, %s's %s %d", name_of(ROLES, role), name_of(SIDES, side),
		bit_set(fl, 0) and "interface" or "endpoint", epid)
	if family ~= 0 then
		text = text .. " " .. r:address(tree, family)
	end
	if port ~= 0 then
		text = string.format("%s port %d", text, port)
	end
	return text
end

local function spis(r, tree, count)
	for _ = 1, count do
		r:add(tree, "spi", 4)
	end
end

function tlv.SEL(r, tree)
	local kind = r:uint(tree, "sel.kind", 1)
	r:add(tree, "protocol", 1)
	local count = r:uint(tree, "spi.count", 2)
	spis(r, tree, count)
	local text = name_of(SELECTIONS, kind)
	return count > 0 and string.format("%d %s", count, text) or text
end

function tlv.NONCE(r, tree)
	r:add(tree, "nonce", 32)
end

function tlv.SPIS(r, tree)
	local count = r:uint(tree, "spi.count", 2)
	r:take(2)
	spis(r, tree, count)
	return string.format("%d", count)
end

function tlv.DIGEST(r, tree)
	local count = r:uint(tree, "digest.count", 2)
	r:take(2)
	r:add(tree, "digest", 16)
	return string.format("of %d SAs", count)
end

function tlv.TOKEN(r, tree)
	local i = r:uint(tree, "path.epid_i", 2)
	local e = r:uint(tree, "path.epid_r", 2)
	r:add(tree, "token", r:left())
	return string.format("of path %d-%d", i, e)
end

function tlv.FAIL(r, tree)
	local status = r:uint(tree, "result.status", 2)
	local detail = r:uint(tree, "detail", 2)
	r:add(tree, "protocol", 1)
	r:take(3)
	local spi = r:uint(tree, "spi", 4)
	return string.format("%08x: %s, detail %d", spi, name_of(STATUSES, status), detail)
end

function tlv.VALID(r, tree)
	return string.format("%d s", r:uint(tree, "valid", 4))
end

function tlv.LIMIT(r, tree)
	local which = r:uint(tree, "limit.which", 2)
	return string.format("%s: %d", name_of(LIMITS, which), r:uint(tree, "limit.value", 2))
end

-- How a class of traffic is to be sent, or what came of that.
local function class(r, tree)
	local state = r:uint(tree, "class.state", 1)
	local mode = r:uint(tree, "class.mode", 1)
	r:add(tree, "class.copies", 1)
	for _ = 1, r:uint(tree, "class.interfaces", 1) do
		r:add(tree, "iface.ifid", 2)
	end
	local name = r:add(tree, "class.name", r:left())
	return string.format("class %s, %s: %s", name and name:string(ENC_UTF_8) or "?",
		name_of(CLASS_MODES, mode), name_of(CLASS_STATES, state))
end

function tlv.ATTR(r, tree)
	local name = r:uint(tree, "attr.name", 2)
	if name == ATTR_CLASS then
		return class(r, tree)
	end
	if not ATTRS[name] then
		r:add(tree, "tlv.value", r:left())
		return name_of(ATTRS, name)
	end
	return string.format("%s: %d", ATTRS[name], r:uint(tree, "attr.value", name == 2 and 2 or 4))
end

function tlv.TEXT(r, tree)
	local v = r:add(tree, "text", r:left())
	return v and v:string() or ""
end

local function tlvs(r, tree)
	while r:left() > 0 do
		local start = r.at
		local head = r:take(4)
		local kind, len = head(0, 2):uint() % 0x8000, head(2, 2):uint()
		local value = reader(r:take(len))
		local sub = tree:add(mmx, r.range(start, 4 + len), TLVS[kind] or "TLV " .. name_of({}, kind))
		sub:add(F["tlv.critical"], head(0, 2))
		sub:add(F["tlv.type"], head(0, 2))
		sub:add(F["tlv.length"], head(2, 2))
		local f = tlv[TLVS[kind]]
		local text
		if f then
			text = f(value, sub)
			if value:left() > 0 then
				error(SHORT)
			end
		else
			value:add(sub, "tlv.value", len)
		end
		if text then
			sub:append_text(": " .. text)
		end
	end
end

-- What each notification is; returns the text of its line.
local notify = {}

function notify.MMX_SUPPORTED(r, tree)
	local major = r:uint(tree, "supported.major", 1)
	local minor = r:uint(tree, "supported.minor", 1)
	r:take(2)
	r:flags(tree, "supported.caps", 4)
	r:add(tree, "supported.interfaces", 1)
	r:add(tree, "supported.endpoints", 1)
	r:add(tree, "supported.alternates", 1)
	r:add(tree, "supported.actions", 1)
	r:add(tree, "supported.derived", 2)
	r:add(tree, "supported.window", 1)
	r:take(1)
	return string.format("version %d.%d", major, minor)
end

function notify.MMX_IFACE(r, tree)
	r:add(tree, "iface.generation", 4)
	local ifid = r:uint(tree, "iface.ifid", 2)
	r:add(tree, "iface.preference", 1)
	local fl = r:flags(tree, "iface.flags", 1)
	local link = r:uint(tree, "iface.link", 1)
	local n = r:uint(tree, "iface.endpoints", 1)
	r:add(tree, "iface.mtu", 2)
	for _ = 1, n do
		local start = r.at
		local sub = tree:add(mmx, r.range(start, math.min(8, r:left())), "Endpoint")
		local epid = r:uint(sub, "ep.epid", 2)
		local family = r:uint(sub, "ep.family", 1)
		r:flags(sub, "iface.ep.flags", 1)
		local address = r:address(sub, family)
		sub:set_len(r.at - start)
		sub:append_text(string.format(" %d: %s", epid, address))
	end
	tlvs(r, tree)
	if bit_set(fl, 5) then
		return "none"
	end
	return string.format("interface %d, %s, %s", ifid, name_of(LINKS, link),
		bit_set(fl, 0) and "up" or "down")
end

function notify.MMX_OUTER(r, tree)
	local mode = r:uint(tree, "outer.mode", 1)
	r:flags(tree, "outer.flags", 1)
	r:take(2)
	tlvs(r, tree)
	return name_of(MODES, mode)
end

function notify.MMX_PATH(r, tree)
	local kind = r:uint(tree, "path.kind", 1)
	r:flags(tree, "path.flags", 1)
	r:take(2)
	local i = r:uint(tree, "path.epid_i", 2)
	local e = r:uint(tree, "path.epid_r", 2)
	r:add(tree, "path.nonce", 8)
	tlvs(r, tree)
	return string.format("%s of path %d-%d", name_of(KINDS, kind), i, e)
end

function notify.MMX_ACTION(r, tree)
	local id = r:uint(tree, "action.id", 2)
	local code = r:uint(tree, "action.code", 1)
	local fl = r:flags(tree, "action.flags", 1)
	r:add(tree, "action.generation", 4)
	tlvs(r, tree)
	return string.format("%d, %s%s", id, name_of(CODES, code), bit_set(fl, 0) and ", check only" or "")
end

function notify.MMX_RESULT(r, tree)
	local id = r:uint(tree, "action.id", 2)
	local status = r:uint(tree, "result.status", 2)
	r:flags(tree, "result.flags", 1)
	r:take(1)
	local affected = r:uint(tree, "result.affected", 2)
	tlvs(r, tree)
	return string.format("%d, %s, %d SAs", id, name_of(STATUSES, status), affected)
end

local msgtype = Field.new("isakmp.notify.msgtype")

-- The data of the Notify payload whose type stands there: the head tells where it is.
local function data_of(fi)
	local source = fi.source
	local len, spi = source(fi.offset - 4, 2):uint(), source(fi.offset - 1, 1):uint()
	if len > 8 + spi then
		return source(fi.offset + 2 + spi, len - 8 - spi)
	end
end

local function show(fi, tree, pinfo)
	local name = TYPES[fi.value]
	local data = data_of(fi)
	local sub = tree:add(mmx, data or fi.range, name)
	sub:add(F.type, fi.range)
	local ok, text = pcall(notify[name], reader(data), sub)
	if ok then
		sub:append_text(": " .. text)
		pinfo.cols.info:append(string.format(" %s(%s)", name, text))
	elseif text == SHORT then
		sub:add_proto_expert_info(malformed)
	else
		error(text)
	end
end

function mmx.dissector(_, pinfo, tree)
	for _, fi in ipairs({ msgtype() }) do
		if TYPES[fi.value] then
			show(fi, tree, pinfo)
		end
	end
end

register_postdissector(mmx)
