import { writeFile } from 'node:fs/promises'
import type { SignedVariable, SignedVariableRequest } from '@strongroom/contract'
import { EvidenceError, parsePem } from '@strongroom/evidence'
import { dbOwner, parseSignatureLists, signatureLists } from '@strongroom/evidence/expected'
import { ArmClient } from '../client/arm.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { textOption, type Command } from '../core/command.ts'
import { contentOf } from '../core/file-content.ts'
import { images, referenceImageId, version } from './image.ts'
import { variableNamed } from './vm/secure-boot.ts'
import { ownCommand } from '../core/own-name.ts'

export const signVariableCommand: Command = {
  words: ['image', 'sign-variable'],
  args: ['<variable>', '<file>'],
  summary: 'sign an update of PK, KEK, db or dbx as an image’s publisher: VMs of the image take it (.auth)',
  options: [
    { flags: '--image <image>', summary: 'id or name; by default the reference image' },
    { flags: '--replace', summary: 'the update replaces what the variable holds; by default it appends' },
    { flags: '--out <file>', summary: 'by default VARIABLE.auth' },
  ],
  examples: [
    'strongroom image sign-variable dbx revoked.esl',
    'strongroom image sign-variable db vendor.pem --out db.auth',
  ],
  run: async (context) => {
    const variable = variableNamed(context.args[0])
    const lists = listsOf(await contentOf(context.args[1]!))
    const arm = new ArmClient(await context.connect())
    const named = textOption(context, 'image') ?? (await referenceImageId(arm))
    const append = context.options['replace'] !== true
    const body: SignedVariableRequest = { variable, append, lists: Buffer.from(lists).toString('base64') }
    const path = `${images(arm)}/${encodeURIComponent(named)}/signVariable`
    const { image, update } = (await arm.send('POST', path, version, body)).json as SignedVariable
    const out = textOption(context, 'out') ?? `${variable}.auth`
    await writeFile(out, Buffer.from(update, 'base64'))
    return {
      data: { image, variable, append, file: out },
      lines: [
        `${out} ${append ? 'appends to' : 'replaces'} ${variable}, signed by the publisher of ${image}.`,
        `In a VM: sudo /usr/lib/strongroom/secure-boot install ${variable} ${out}`,
        `From outside: ${ownCommand(`vm update-secure-boot NAME ${variable} ${out}`)}`,
      ],
    }
  },
}

/** Signature lists as they are, or one of the certificates of a PEM file. */
function listsOf(content: Uint8Array): Uint8Array {
  const text = Buffer.from(content).toString('latin1')
  try {
    if (text.includes('-----BEGIN CERTIFICATE-----'))
      return signatureLists({ owner: dbOwner, certificates: parsePem(text) })
    parseSignatureLists(content)
    return content
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error
    throw new CliError({
      code: 'InvalidArgument',
      message: `The file has neither signature lists nor certificates: ${error.message}.`,
      expected: 'EFI_SIGNATURE_LISTs (.esl) or certificates in PEM',
      remedy: 'Make one with cert-to-efi-sig-list or hash-to-efi-sig-list.',
      exitCode: exitCodes.usage,
    })
  }
}
