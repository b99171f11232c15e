import { ia5String, integer, octetString, sequence } from '@strongroom/der'
import { parseCertificate, readEndorsement, type SnpEndorsement } from '@strongroom/evidence'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  chipId,
  chipTcb,
  issueChain,
  openHierarchy,
  type ChainChange,
  type EndorsementChange,
  type Hierarchy,
} from '../testing/amd-hierarchy.ts'

describe('the endorsement in a certificate of a signing key', () => {
  let keys: Hierarchy
  beforeAll(async () => (keys = await openHierarchy()))
  const read = async (endorsement: EndorsementChange, o: ChainChange = {}): Promise<SnpEndorsement> =>
    readEndorsement(parseCertificate((await issueChain(keys, { ...o, endorsement })).vcek))

  const turin = { productName: ia5String('Turin'), fmc: integer(7), hardwareId: chipId.subarray(0, 8) }
  const provider = { hardwareId: undefined, providerId: ia5String('somebody') }

  it('is of a chip, with the versions and the id that it says', async () => {
    const milan = { signer: 'VCEK', product: 'Milan', productName: 'Milan-B0', tcb: chipTcb, hardwareId: chipId }
    expect(await read({})).toEqual({ ...milan, providerId: undefined })
    expect(await read({ hardwareId: octetString(chipId) })).toEqual({ ...milan, providerId: undefined })
    const zeros = { reserved4: integer(0), reserved5: integer(0), reserved6: integer(0), reserved7: integer(0) }
    expect(await read(zeros)).toMatchObject({ tcb: chipTcb })
    expect(await read(turin)).toMatchObject({
      product: 'Turin',
      tcb: { ...chipTcb, fmc: 7 },
      hardwareId: chipId.subarray(0, 8),
    })
  })

  it('is of a provider, whose key belongs to no chip', async () => {
    expect(await read(provider, { leaf: 'SEV-VLEK' })).toMatchObject({
      signer: 'VLEK',
      hardwareId: undefined,
      providerId: 'somebody',
    })
  })

  it('shares no bytes with the certificate', async () => {
    for (const hardwareId of [chipId, octetString(chipId)]) {
      const certificate = parseCertificate((await issueChain(keys, { endorsement: { hardwareId } })).vcek)
      readEndorsement(certificate).hardwareId!.fill(0)
      expect(readEndorsement(certificate).hardwareId).toEqual(chipId)
    }
  })

  it.each<[what: string, change: EndorsementChange, code: string, leaf?: string]>([
    ['no product', { productName: undefined }, 'Missing'],
    ['another product', { productName: ia5String('Naples') }, 'UnknownType'],
    ['a number for a product', { productName: integer(1) }, 'UnknownType'],
    ['text after the product', { productName: Uint8Array.of(...ia5String('Milan'), 0, 0) }, 'TrailingBytes'],
    ...(['reserved4', 'reserved5', 'reserved6', 'reserved7'] as const).map(
      (name): [string, EndorsementChange, string] => [`a ${name} version`, { [name]: integer(1) }, 'ReservedNotZero'],
    ),
    ['a version of the microcontrollers’ firmware on Milan', { fmc: integer(0) }, 'InvalidValue'],
    ['no version of it on Turin', { ...turin, fmc: undefined }, 'InvalidValue'],
    ...(['bootLoader', 'tee', 'snp', 'microcode'] as const).map((name): [string, EndorsementChange, string] => [
      `no ${name} version`,
      { [name]: undefined },
      'Missing',
    ]),
    ['a version of more than a byte', { snp: integer(256) }, 'InvalidValue'],
    ['bytes after a version', { snp: Uint8Array.of(...integer(1), 0, 0) }, 'TrailingBytes'],
    ['a chip’s id that is too short', { hardwareId: octetString(chipId.subarray(1)) }, 'WrongLength'],
    ['a chip’s id of another line', { ...turin, hardwareId: octetString(chipId) }, 'WrongLength'],
    ['a chip’s id of another type', { hardwareId: sequence() }, 'UnknownType'],
    ['bytes after a chip’s id', { hardwareId: Uint8Array.of(...octetString(chipId), 0, 0) }, 'TrailingBytes'],
    ['neither chip nor provider', { hardwareId: undefined }, 'InvalidValue'],
    ['both chip and provider', { providerId: ia5String('somebody') }, 'InvalidValue'],
    ['a provider under a chip’s name', provider, 'InvalidValue'],
    ['a chip under a provider’s name', {}, 'InvalidValue', 'SEV-VLEK'],
    ['both under a provider’s name', { providerId: ia5String('somebody') }, 'InvalidValue', 'SEV-VLEK'],
    ['neither under a provider’s name', { hardwareId: undefined }, 'InvalidValue', 'SEV-VLEK'],
    ['a chip under another name', {}, 'InvalidValue', 'SEV-OTHER'],
    ['a provider under another name', provider, 'InvalidValue', 'SEV-OTHER'],
  ])('with %s is refused', async (_, change, code, leaf) => {
    await expect(read(change, leaf === undefined ? {} : { leaf })).rejects.toMatchObject({ name: 'ParseError', code })
  })

  it('names what it says where that is nothing known', async () => {
    await expect(read({}, { leaf: 'SEV-OTHER' })).rejects.toMatchObject({ found: 'SEV-OTHER' })
    await expect(read({ productName: ia5String('Naples') })).rejects.toMatchObject({ found: 'Naples' })
  })
})
