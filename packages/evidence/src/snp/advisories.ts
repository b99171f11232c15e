import type { TcbVersion } from './products.ts'
import type { SnpLine } from './lines.ts'

/** What fixes a flaw on one processor line, and the source. */
interface Fix {
  /** Minimum security versions that have the fix, per component. */
  minimum: Partial<TcbVersion>
  /** The firmware must have looked for aliased memory and found none (PLATFORM_INFO.ALIAS_CHECK_COMPLETE). */
  aliasCheck?: true
  /** Where the values were read; AMD's own page was unavailable for all of them. */
  readIn: string
}

/** An AMD bulletin about a flaw that a host can use against SNP guests. */
export interface SnpAdvisory {
  id: string
  /** The finders' name for it; absent if they gave none. */
  name?: string
  /** CVE numbers, or the publication for flaws without one. */
  references: readonly string[]
  bulletin: string
  /** Affected lines. `notShown`: no version in a report shows whether it is fixed, or no source that names the bulletin gives one. */
  lines: Partial<Record<SnpLine, Fix | 'notShown'>>
}

const bulletin = (number: number): string =>
  `https://www.amd.com/en/resources/product-security/bulletin/amd-sb-${number}.html`

const fwupd = 'https://github.com/fwupd/fwupd (fu_cpu_amd_model_id_to_entry_sign_fixed_ucode_version)'
const kernel = 'https://git.kernel.org/torvalds/c/4b28f0846ef6521b47ee95ea7d77c9d40a7baf29'
const piTee = 'https://github.com/ariofrio/pi-tee (review that quotes the bulletin as of 2026-10-08)'
const teeCrafter = 'https://github.com/vedantp2905/TEE-Crafter (TCB hardening)'
const sentinel = 'https://github.com/Ayoshiss/sentinel-subnet (required firmware)'
const agentManifest = 'https://github.com/agentrust-io/agent-manifest (appraisal of collateral, as of 2026-09-30)'
const linuxFirmware =
  'https://git.kernel.org/pub/scm/linux/kernel/git/firmware/linux-firmware.git (amd-ucode/README, version ' +
  '2023-10-19); a review names these levels for the bulletin'

const snp = (svn: number, readIn: string): Fix => ({ minimum: { snp: svn }, readIn })
/** The version is the low byte of the patch level. */
const microcode = (patch: number, readIn: string): Fix => ({ minimum: { microcode: patch & 0xff }, readIn })

/**
 * Newest first. Excluded are flaws that the guest's kernel fixes (WeSee, Heckler) and those that need physical access
 * (WireTap, Battering RAM, TEE.fail): no security version shows them.
 * @example
 * import { snpAdvisories } from '@strongroom/evidence/advisories'
 *
 * const entrySign = snpAdvisories.find(({ name }) => name === 'EntrySign')
 * entrySign?.id // => 'AMD-SB-3019'
 */
export const snpAdvisories: readonly SnpAdvisory[] = [
  {
    id: 'AMD-SB-3045',
    name: 'MilanLaunchy and BadFuse',
    references: ['arXiv:2605.12990'],
    bulletin: bulletin(3045),
    // A leaked chip seed yields reports of any version: only a list of accepted products or chips keeps them out.
    lines: { Milan: 'notShown', 'Milan-X': 'notShown' },
  },
  {
    id: 'AMD-SB-3034',
    name: 'Fabricked',
    references: ['CVE-2025-54510'],
    bulletin: bulletin(3034),
    // AMD removed the values from the bulletin on 2026-09-24.
    lines: {
      Milan: 'notShown',
      'Milan-X': 'notShown',
      Genoa: 'notShown',
      'Genoa-X': 'notShown',
      Bergamo: 'notShown',
      Turin: 'notShown',
      'Turin Dense': 'notShown',
    },
  },
  {
    id: 'AMD-SB-3030',
    name: 'BreakFAST',
    references: ['CVE-2025-61971', 'CVE-2025-61972', 'CVE-2024-36315'],
    bulletin: bulletin(3030),
    lines: {
      Milan: snp(0x1d, sentinel),
      'Milan-X': snp(0x1d, sentinel),
      Genoa: 'notShown',
      'Genoa-X': 'notShown',
      Bergamo: 'notShown',
      Turin: 'notShown',
      'Turin Dense': 'notShown',
    },
  },
  {
    id: 'AMD-SB-3027',
    name: 'StackWarp',
    references: ['CVE-2025-29943'],
    bulletin: bulletin(3027),
    lines: {
      Milan: 'notShown',
      'Milan-X': 'notShown',
      Genoa: microcode(0x0a101156, piTee),
      'Genoa-X': microcode(0x0a101251, piTee),
      Bergamo: 'notShown',
      Turin: { minimum: { microcode: 0x51 }, readIn: piTee },
      'Turin Dense': 'notShown',
    },
  },
  {
    id: 'AMD-SB-3023',
    references: ['CVE-2025-48514'],
    bulletin: bulletin(3023),
    lines: {
      Milan: snp(0x1b, kernel),
      'Milan-X': snp(0x1b, kernel),
      Genoa: snp(0x1b, kernel),
      'Genoa-X': snp(0x1b, kernel),
      Bergamo: snp(0x1b, kernel),
      Turin: snp(0x04, kernel),
      'Turin Dense': snp(0x04, kernel),
    },
  },
  {
    id: 'AMD-SB-3020',
    name: 'RMPocalypse',
    references: ['CVE-2025-0033'],
    bulletin: bulletin(3020),
    lines: {
      Milan: 'notShown',
      'Milan-X': 'notShown',
      Genoa: { minimum: { snp: 0x1b, microcode: 0x56 }, readIn: piTee },
      'Genoa-X': { minimum: { snp: 0x1b, microcode: 0x51 }, readIn: piTee },
      Bergamo: snp(0x1b, piTee),
      Turin: { minimum: { snp: 0x04, microcode: 0x50 }, readIn: piTee },
      'Turin Dense': 'notShown',
    },
  },
  {
    id: 'AMD-SB-3019',
    name: 'EntrySign',
    references: ['CVE-2024-56161'],
    bulletin: bulletin(3019),
    lines: {
      Milan: microcode(0x0a0011db, fwupd),
      'Milan-X': microcode(0x0a001244, fwupd),
      Genoa: { minimum: { snp: 0x17, microcode: 0x54 }, readIn: `${piTee}; ${fwupd}` },
      'Genoa-X': { minimum: { snp: 0x17, microcode: 0x4f }, readIn: `${piTee}; ${fwupd}` },
      Bergamo: microcode(0x0aa00219, fwupd),
      Turin: 'notShown',
      'Turin Dense': 'notShown',
    },
  },
  {
    id: 'AMD-SB-3016',
    references: ['CVE-2023-20585'],
    bulletin: bulletin(3016),
    // Half of the fix is in the host's kernel, which a report does not cover.
    lines: {
      Milan: snp(0x1b, agentManifest),
      'Milan-X': snp(0x1b, agentManifest),
      Genoa: snp(0x1b, agentManifest),
      'Genoa-X': snp(0x1b, agentManifest),
      Bergamo: snp(0x1b, agentManifest),
    },
  },
  {
    id: 'AMD-SB-3015',
    name: 'BadRAM',
    references: ['CVE-2024-21944'],
    bulletin: bulletin(3015),
    lines: {
      Milan: { ...snp(0x17, teeCrafter), aliasCheck: true },
      'Milan-X': { ...snp(0x17, teeCrafter), aliasCheck: true },
      Genoa: { ...snp(0x16, teeCrafter), aliasCheck: true },
      'Genoa-X': { ...snp(0x16, teeCrafter), aliasCheck: true },
      Bergamo: { ...snp(0x16, teeCrafter), aliasCheck: true },
    },
  },
  {
    id: 'AMD-SB-3005',
    name: 'CacheWarp',
    references: ['CVE-2023-20592'],
    bulletin: bulletin(3005),
    lines: { Milan: microcode(0x0a0011d1, linuxFirmware), 'Milan-X': microcode(0x0a001234, linuxFirmware) },
  },
]
