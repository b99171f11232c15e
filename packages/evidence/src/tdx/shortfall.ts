import type { TcbLack } from '../snp/shortfall.ts'
import type { PckExtension } from './pck.ts'
import { splitSignedJson } from './signed-json.ts'
import { assessed, assessPlatform, moduleId, parseTcbInfo, type TcbInfo } from './tcb-info.ts'
import { worstStatus, type TcbStatus } from './tcb-status.ts'

/** How far a TDX platform is behind the requirements of a TCB info. */
export interface TdxShortfall {
  /** The worse of the platform and its TDX module. */
  status: TcbStatus
  /** Date of the platform's level; absent below every level. */
  tcbDate?: Date
  /** Date of the wanted level: the lowest one that is up to date. */
  wantedDate: Date
  tcbEvaluationDataNumber: number
  /** Intel's advisories for the levels of platform and module, sorted. */
  advisoryIds: readonly string[]
  /** Empty at the wanted level and above. */
  lacks: TcbLack[]
}

/**
 * Compares a platform with the lowest up-to-date level of a TCB info, component by component.
 * @param o.tcbInfo signed text as Intel serves it; verifyTdx checks its signature
 * @param o.teeTcbSvn from the quote, 16 bytes
 * @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseCertificate, parseTdxQuote, readPckExtension } from '@strongroom/evidence'
 * import { tdxShortfall } from '@strongroom/evidence/advisories'
 *
 * const { tcbInfo } = JSON.parse(await readFile('collateral.json', 'utf8'))
 * const { body, certification } = parseTdxQuote(await readFile('quote.bin'))
 * const pck = readPckExtension(parseCertificate((certification.type === 'pckChain' && certification.chain[0]) || new Uint8Array()))
 * tdxShortfall({ tcbInfo, pck, teeTcbSvn: body.teeTcbSvn }).lacks // => []
 * const { status, lacks } = tdxShortfall({ tcbInfo, pck: { ...pck, pceSvn: 1 }, teeTcbSvn: body.teeTcbSvn })
 * status // => 'NoMatchingLevel'
 * lacks.map(({ component, wanted }) => `${component}: ${wanted}`) // => ['provisioning certification enclave: 11']
 */
export function tdxShortfall(o: { tcbInfo: string; pck: PckExtension; teeTcbSvn: Uint8Array }): TdxShortfall {
  const { body } = splitSignedJson(o.tcbInfo, 'tcbInfo')
  const tcbInfo = parseTcbInfo(body)
  const platform = assessPlatform({ ...o, tcbInfo })
  const { tcbDate } = platform
  const levels = moduleOf(tcbInfo, o.teeTcbSvn)?.levels
  const module = levels && assessed(levels.find(({ isvSvn }) => (o.teeTcbSvn[0] ?? 0) >= isvSvn))
  const parts = module === undefined ? [platform] : [platform, module]
  const at = wantedIndex(tcbInfo.levels)
  const wanted = tcbInfo.levels[at]
  return {
    status: worstStatus(parts.map(({ status }) => status)),
    ...(tcbDate !== undefined && { tcbDate }),
    wantedDate: wanted?.tcbDate ?? tcbInfo.issueDate,
    tcbEvaluationDataNumber: tcbInfo.tcbEvaluationDataNumber,
    advisoryIds: [...new Set(parts.flatMap(({ advisoryIds }) => advisoryIds))].toSorted(),
    lacks: [
      ...(wanted === undefined ? [] : platformLacks(wanted, o, namesIn(body, at))),
      ...moduleLack(tcbInfo, o.teeTcbSvn),
    ],
  }
}

/**
 * The last up-to-date level, in Intel's order from best to worst: a platform that reaches it lacks nothing. The first
 * level if none is up to date.
 */
function wantedIndex(levels: readonly { tcbStatus: TcbStatus }[]): number {
  const last = levels.findLastIndex(({ tcbStatus }) => tcbStatus === 'UpToDate')
  return Math.max(last, 0)
}

interface Platform {
  pck: PckExtension
  teeTcbSvn: Uint8Array
}

type Level = TcbInfo['levels'][number]

function platformLacks(level: Level, { pck, teeTcbSvn }: Platform, names: ComponentNames): TcbLack[] {
  const first = (teeTcbSvn[1] ?? 0) === 0 ? 0 : 2
  const sgx = level.sgxSvns.map((wanted, index) =>
    lackOf('SGX', index, wanted, pck.componentSvns[index], names.sgxtcbcomponents[index]!),
  )
  const tdx = level.tdxSvns.map((wanted, index) =>
    index < first ? undefined : lackOf('TDX', index, wanted, teeTcbSvn[index], names.tdxtcbcomponents[index]!),
  )
  const pce: TcbLack | undefined =
    pck.pceSvn < level.pceSvn
      ? {
          component: 'provisioning certification enclave',
          found: pck.pceSvn,
          wanted: level.pceSvn,
          update: 'Install Intel’s newer SGX platform software on the host, and have its PCK certificate issued again.',
        }
      : undefined
  return [...sgx, ...tdx, pce].filter((lack) => lack !== undefined)
}

/** The identity of the running module; undefined for version 0, which is judged with the platform. */
function moduleOf(
  { moduleIdentities }: TcbInfo,
  teeTcbSvn: Uint8Array,
): TcbInfo['moduleIdentities'][number] | undefined {
  const version = teeTcbSvn[1] ?? 0
  if (version === 0) return undefined
  const id = moduleId(version)
  return moduleIdentities.find((each) => each.id.toUpperCase() === id)
}

function moduleLack(tcbInfo: TcbInfo, teeTcbSvn: Uint8Array): TcbLack[] {
  const [found = 0, version = 0] = teeTcbSvn
  const levels = moduleOf(tcbInfo, teeTcbSvn)?.levels ?? []
  const wanted = levels[wantedIndex(levels)]?.isvSvn
  if (wanted === undefined || found >= wanted) return []
  const update = 'Load Intel’s newer TDX module on the host, and restart the VM.'
  return [{ component: `TDX module ${moduleId(version)}`, found, wanted, update }]
}

/** Intel's name for a component: `Early Microcode Update` of `BIOS`, if given. */
interface ComponentName {
  category?: unknown
  type?: unknown
}
type ComponentNames = Record<'sgxtcbcomponents' | 'tdxtcbcomponents', ComponentName[]>

/** @param body already read by parseTcbInfo: each level has 16 components of either kind */
function namesIn(body: string, level: number): ComponentNames {
  const { tcbLevels } = JSON.parse(body) as { tcbLevels: { tcb: ComponentNames }[] }
  return tcbLevels[level]!.tcb
}

const updates: ReadonlyMap<unknown, string> = new Map([
  ['BIOS', 'Install the newer BIOS of the board’s maker on the host.'],
  ['OS/VMM', 'Install newer Intel microcode or SGX software in the host’s operating system.'],
])
const anyUpdate = 'Install the newer BIOS of the board’s maker on the host: it brings microcode and firmware modules.'

function lackOf(
  kind: 'SGX' | 'TDX',
  index: number,
  wanted: number,
  found = 0,
  name: ComponentName,
): TcbLack | undefined {
  if (found >= wanted) return undefined
  const type = typeof name.type === 'string' && name.type !== '' ? ` (${name.type})` : ''
  const update = updates.get(name.category) ?? anyUpdate
  return { component: `${kind} component ${index + 1}${type}`, found, wanted, update }
}
