import { describe, expect, it } from 'vitest'
import { toHex } from '../core/bytes/hex.ts'
import type { SnpReport } from '../snp/report.ts'
import { encodeTcb } from '../snp/tcb.ts'
import { checkCatalogue } from './catalogue.ts'
import {
  amdCrlSource,
  chainSource,
  pckCrlSource,
  qeIdentitySource,
  rootCrlSource,
  tcbInfoSource,
  vcekSource,
} from './sources.ts'

const kds = 'https://kdsintf.amd.com'
const pcs = 'https://api.trustedservices.intel.com'
const chipId = Uint8Array.from({ length: 64 }, (_, index) => index)
const tcb = { fmc: 1, bootLoader: 2, tee: 3, snp: 4, microcode: 5 }
const report = (o: Partial<SnpReport> = {}, product: 'Milan' | 'Turin' = 'Milan'): SnpReport =>
  ({
    signingKey: 'VCEK',
    chipId,
    cpu: product === 'Milan' ? { family: 0x19, model: 1, stepping: 1 } : { family: 0x1a, model: 2, stepping: 1 },
    reportedTcb: encodeTcb(product === 'Milan' ? { ...tcb, fmc: 0 } : tcb, product),
    ...o,
  }) as SnpReport
const addresses = (text: string): string[] => text.match(/https:\/\/[^\s,]+/g) ?? []

describe('what is missing can be got', () => {
  it('from AMD: the key of this chip and these versions, its issuers and their list', () => {
    expect(addresses(vcekSource(report()))).toEqual([
      `${kds}/vcek/v1/Milan/${toHex(chipId)}?blSPL=2&teeSPL=3&snpSPL=4&ucodeSPL=5`,
      `${kds}/vcek/v1/Milan/cert_chain`,
    ])
    expect(addresses(vcekSource(report({}, 'Turin')))).toEqual([
      `${kds}/vcek/v1/Turin/0001020304050607?fmcSPL=1&blSPL=2&teeSPL=3&snpSPL=4&ucodeSPL=5`,
      `${kds}/vcek/v1/Turin/cert_chain`,
    ])
    expect(addresses(amdCrlSource(report({}, 'Turin')))).toEqual([`${kds}/vcek/v1/Turin/crl`])
    expect(addresses(chainSource(report()))).toEqual([`${kds}/vcek/v1/Milan/cert_chain`])
  })

  it('from AMD for the product alone where the versions cannot be read', () => {
    expect(addresses(vcekSource(report({ reportedTcb: 1n << 24n })))).toEqual([`${kds}/vcek/v1/Milan/…`])
  })

  it('from AMD and its provider where a provider’s key signed', () => {
    const provider = report({ signingKey: 'VLEK' })
    expect(addresses(vcekSource(provider))).toEqual([`${kds}/vlek/v1/Milan/cert_chain`])
    expect(addresses(amdCrlSource(provider))).toEqual([`${kds}/vlek/v1/Milan/crl`])
  })

  it('as far as a report says of which product it is', () => {
    for (const unnamed of [
      undefined,
      report({ cpu: undefined }),
      report({ cpu: { family: 1, model: 1, stepping: 1 } }),
    ]) {
      expect(addresses(vcekSource(unnamed))).toEqual([`${kds}/vcek/v1/PRODUCT/…`])
      expect(addresses(chainSource(unnamed))).toEqual([`${kds}/vcek/v1/PRODUCT/cert_chain`])
      expect(addresses(amdCrlSource(unnamed))).toEqual([`${kds}/vcek/v1/PRODUCT/crl`])
    }
  })

  it('from Intel', () => {
    expect(addresses(tcbInfoSource('00806f050000'))).toEqual([`${pcs}/tdx/certification/v4/tcb?fmspc=00806f050000`])
    expect(addresses(tcbInfoSource(undefined))).toEqual([`${pcs}/tdx/certification/v4/tcb?fmspc=FMSPC`])
    expect(addresses(qeIdentitySource)).toEqual([`${pcs}/tdx/certification/v4/qe/identity`])
    expect(addresses(rootCrlSource)).toEqual(['https://certificates.trustedservices.intel.com/IntelSGXRootCA.der'])
    for (const [issuer, authority] of [
      ['Intel SGX PCK Processor CA', 'processor'],
      ['Intel SGX PCK Platform CA', 'platform'],
      [undefined, 'platform'],
    ])
      expect(addresses(pckCrlSource(issuer))).toEqual([
        `${pcs}/sgx/certification/v4/pckcrl?ca=${authority}&encoding=der`,
      ])
  })
})

/** Publishers of the rules behind the checks. */
const names = 'DCAP|Intel|PCS API 4|TDX module ABI|OpenVMM|PFP|Azure Attestation|NVIDIA NRAS|AWS|RMM|Key Vault'
const publishers = new RegExp(String.raw`^(?:RFC \d{4}|AMD \d{5}|TPM 2\.0 part [23]|${names})\b`)

it('every check says where its rule stands, but for groups and what is this program’s own', () => {
  const own = Object.entries(checkCatalogue).filter(([, { source }]) => source === '')
  expect(own.map(([id]) => id)).toEqual([
    'evidence',
    'file.kind',
    'file.used',
    'policy.used',
    'snp',
    'snp.verifier',
    'tdx',
    'tdx.verifier',
    'tdReport',
    'hcl',
    'claims',
    'azure',
    'tpm',
    'log',
    'token',
    'nitro',
    'cca',
    'svsm',
    'release',
    'certificates',
    'crl',
    'collateral',
  ])
  for (const [id, { source }] of Object.entries(checkCatalogue))
    if (source !== '') expect([id, source]).toEqual([id, expect.stringMatching(publishers)])
})
