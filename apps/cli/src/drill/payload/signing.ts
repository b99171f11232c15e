import { join } from 'node:path'
import { runProgram } from '../host/programs.ts'

/** Signs a UEFI program with an unenrolled key. @returns path of the signed program */
export async function signWithStrangersKey(program: string, folder: string): Promise<string> {
  const [key, certificate, signed] = ['stranger.key', 'stranger.pem', 'signed.efi'].map((name) =>
    join(folder, name),
  ) as [string, string, string]
  const request = ['req', '-new', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=stranger', '-days', '30']
  await runProgram('openssl', [...request, '-keyout', key, '-out', certificate])
  await runProgram('sbsign', ['--key', key, '--cert', certificate, '--output', signed, program])
  return signed
}
