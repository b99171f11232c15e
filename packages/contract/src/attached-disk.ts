/** A data disk of a VM: part of the host's wire (host.ts). */
export interface AttachedDisk {
  /** 0 to 63, one disk each; the guest finds it at /dev/disk/azure/scsi1/lun{lun}. */
  lun: number
  /** Id of a disk that the host keeps (stored-disk.ts). */
  disk: string
  /** A shorter disk grows to it when it is attached; no disk shrinks. */
  sizeGiB: number
  /** What the guest's metadata endpoint shows beside. */
  shown: { id: string; name: string; caching: string; storageAccountType: string }
}
