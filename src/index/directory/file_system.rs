//! Whether a file may be mapped where it lies.

use std::fs::File;

/// Network, user-space and removable file systems, by the numbers of `statfs(2)`: their pages can become unreadable.
#[cfg(target_os = "linux")]
const NOT_MAPPED: &[u32] = &[
    0x6969,      // NFS
    0x517b,      // SMB
    0xfe53_4d42, // SMB 2
    0xff53_4d42, // CIFS
    0x6573_5546, // FUSE, virtiofs
    0x0102_1997, // 9P
    0x00c3_6400, // Ceph
    0x5346_414f, // AFS
    0x6b41_4653, // kAFS
    0x7375_7245, // Coda
    0x0bd0_0bd0, // Lustre
    0x4750_4653, // GPFS
    0x7461_636f, // OCFS2
    0x0116_1970, // GFS2
    0x786f_4256, // shared folders of VirtualBox
    0x4d44,      // FAT
    0x2011_bab0, // exFAT
];

/// Whether reading a mapping of `file` fails only if the disk of this machine does.
#[cfg(target_os = "linux")]
pub(super) fn may_be_mapped(file: &File) -> bool {
    // A file system that does not say what it is may be anything.
    rustix::fs::fstatfs(file).is_ok_and(|found| !NOT_MAPPED.contains(&(found.f_type as u32)))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn may_be_mapped(_file: &File) -> bool {
    true
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn every_file_system_says_what_it_is() {
        // Wherever the tests run, proc is a local one that is not in the list.
        assert!(may_be_mapped(&File::open("/proc/version").unwrap()));
    }
}
