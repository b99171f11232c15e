import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fromBase64, toBase64 } from '../../core/bytes/base64.ts'
import { fromHex, toHex } from '../../core/bytes/hex.ts'
import { buildSnpIdBlock, parseSnpIdAuthentication, parseSnpIdBlock, verifySnpIdBlock } from '../../snp/id-block.ts'
import { verifyRawEcdsa } from '../../x509/verify-signature.ts'
import { parsePublicKey, type PublicKey } from '../../x509/public-key.ts'
import { corpusDirectory, hasCorpus } from '../../testing/corpus-directory.ts'
import { sevLaunchDigest } from './sev-launch-digest.ts'
import { parseSnpFirmware } from './snp-firmware.ts'
import { type DirectKernel, snpKernelHashesPage } from './snp-kernel-hashes.ts'
import { snpFirmwareDigest, snpLaunchDigest, snpSvsmLaunchDigest } from './snp-launch-digest.ts'
import { cpuSignature, cpuSignatureOf, type SnpHypervisor } from './snp-vmsa.ts'

interface Vector {
  name: string
  mode: 'SEV' | 'SEV_ES' | 'SEV_SNP' | 'SEV_SNP_SVSM'
  vmm: string
  vcpus: number
  vcpuType: string | null
  ovmf: string
  ovmfHash: string | null
  ovmfVarsSize: number | null
  svsm: string | null
  kernel: string | null
  initrd: string | null
  append: string | null
  guestFeatures: string
  expected: string
}

interface Vectors {
  vectors: Vector[]
  cpuSigs: Record<string, string>
  cpuSigFunction: { family: number; model: number; stepping: number; sig: string }[]
  snpOvmfHash: { ovmf: string; expected: string }[]
  idBlocks: { ldBase64: string; idBlockBase64: string }[]
}

const read = (path: string): Uint8Array => new Uint8Array(readFileSync(join(corpusDirectory, path)))
const all: Vectors = hasCorpus
  ? (JSON.parse(new TextDecoder().decode(read('launch-digest-vectors/vectors-public.json'))) as Vectors)
  : { vectors: [], cpuSigs: {}, cpuSigFunction: [], snpOvmfHash: [], idBlocks: [] }

function kernelOf(vector: Vector): DirectKernel | undefined {
  if (vector.kernel === null) return undefined
  return {
    kernel: read(vector.kernel),
    ...(vector.initrd === null ? {} : { initrd: read(vector.initrd) }),
    ...(vector.append === null ? {} : { commandLine: vector.append }),
  }
}

async function measure(vector: Vector): Promise<Uint8Array> {
  const firmware = read(vector.ovmf)
  const kernel = kernelOf(vector)
  const processors = { vCPUs: vector.vcpus, ...(vector.vcpuType === null ? {} : { vcpuType: vector.vcpuType }) }
  if (vector.mode === 'SEV' || vector.mode === 'SEV_ES') {
    const es = vector.mode === 'SEV_ES' ? { processors } : {}
    return sevLaunchDigest({ firmware, ...(kernel === undefined ? {} : { kernel }), ...es })
  }
  if (vector.mode === 'SEV_SNP_SVSM') {
    return snpSvsmLaunchDigest({
      ...processors,
      firmware,
      svsm: read(vector.svsm!),
      variablesSize: vector.ovmfVarsSize ?? 0,
    })
  }
  const address = parseSnpFirmware(firmware).hashTableAddress
  return snpLaunchDigest({
    ...processors,
    firmware,
    hypervisor: vector.vmm.toLowerCase() as SnpHypervisor,
    sevFeatures: BigInt(vector.guestFeatures),
    ...(vector.ovmfHash === null ? {} : { firmwareDigest: fromHex(vector.ovmfHash) }),
    ...(kernel !== undefined && address !== undefined
      ? { kernelHashes: await snpKernelHashesPage(kernel, address) }
      : {}),
  })
}

describe.skipIf(!hasCorpus)('launch digests that other implementations computed', () => {
  it('are at hand, of every mode and hypervisor', () => {
    const kinds = new Set(all.vectors.map(({ mode, vmm }) => `${mode} ${vmm}`))
    expect([...kinds].toSorted()).toEqual([
      'SEV QEMU',
      'SEV_ES QEMU',
      'SEV_SNP QEMU',
      'SEV_SNP ec2',
      'SEV_SNP gce',
      'SEV_SNP_SVSM QEMU',
    ])
  })

  it.each(all.vectors.map((vector) => [vector.name, vector] as const))('%s', async (_, vector) => {
    expect(toHex(await measure(vector))).toBe(vector.expected)
  })

  it.each(all.snpOvmfHash.map((entry) => [entry.ovmf, entry.expected]))('%s alone', async (ovmf, expected) => {
    expect(toHex(await snpFirmwareDigest(read(ovmf!)))).toBe(expected)
  })

  it.each(Object.entries(all.cpuSigs))('%s has signature %s', (type, signature) => {
    expect(cpuSignatureOf(type)).toBe(Number(signature))
  })

  it.each(all.cpuSigFunction)('family $family, model $model, stepping $stepping is $sig', (cpu) => {
    expect(cpuSignature(cpu.family, cpu.model, cpu.stepping)).toBe(Number(cpu.sig))
  })
})

describe.skipIf(!hasCorpus)('ID blocks that other implementations wrote', () => {
  it.each(all.idBlocks)('$idBlockBase64', ({ ldBase64, idBlockBase64 }) => {
    const launchDigest = fromBase64(ldBase64)
    const block = buildSnpIdBlock({ launchDigest, policy: 0x30000n })
    expect(toBase64(block)).toBe(idBlockBase64)
    expect(parseSnpIdBlock(block)).toMatchObject({ launchDigest, guestSvn: 0, policy: 0x30000n })
  })

  it('have an author whose signature over the ID key holds, and over no other block', async () => {
    const authentication = read('virtee-sev/test_auth_block.bin')
    const { idKey, author } = parseSnpIdAuthentication(authentication)
    const key = parsePublicKey(author!.key.spki) as PublicKey & { kind: 'EC' }
    const signed = { key, hash: 'SHA-384', signature: author!.signature, data: idKey.raw } as const
    expect(await verifyRawEcdsa(signed)).toBe(true)
    const block = buildSnpIdBlock({ launchDigest: new Uint8Array(48), policy: 0x30000n })
    await expect(verifySnpIdBlock({ block, authentication })).rejects.toMatchObject({ code: 'IdBlockSignatureInvalid' })
  })
})
