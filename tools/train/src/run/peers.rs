//! Several processes that train one model.
//!
//! Each has all weights and sees every batch, encodes its share of the rows, and gets the others' vectors: all rows are
//! negatives of each other, with gradients, whatever process they were encoded in. Gradients are added up in the order of
//! ranks, so that all processes take the same step to the bit. Numbers travel over TCP, through the first process.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use crate::model::Gradients;

/// How long processes wait for each other at the start.
const PATIENCE: Duration = Duration::from_secs(60);

/// The most numbers of one message: four times the largest model that is likely.
const MOST: u64 = 1 << 35;

/// The connection of a process to the others.
#[derive(Debug)]
pub struct Peers {
    rank: usize,
    /// Of the first process: one to each other, by rank. Of the others: one to the first.
    streams: Vec<TcpStream>,
    size: usize,
}

impl Peers {
    /// Joins process `rank` of `size` at `address`, where the first one, rank 0, listens.
    ///
    /// # Errors
    /// What the operating system says; `TimedOut` if a process does not come within a minute; `InvalidData` if two have
    /// the same rank or another number of processes in mind.
    pub fn join(address: &str, rank: usize, size: usize) -> io::Result<Self> {
        if rank >= size {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the rank must be below the number of processes",
            ));
        }
        if rank == 0 {
            Self::gather(&TcpListener::bind(address)?, size)
        } else {
            Self::connect(address, rank, size)
        }
    }

    /// Waits at `listener` for all others; this is rank 0.
    ///
    /// # Errors
    /// As [`Self::join`].
    pub fn gather(listener: &TcpListener, size: usize) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let start = Instant::now();
        let mut places: Vec<Option<TcpStream>> = (1..size).map(|_| None).collect();
        while places.iter().any(Option::is_none) {
            match listener.accept() {
                Ok((mut stream, _)) => {
                    stream.set_nonblocking(false)?;
                    stream.set_nodelay(true)?;
                    let (rank, theirs) = (read_u64(&mut stream)? as usize, read_u64(&mut stream)? as usize);
                    let place =
                        rank.checked_sub(1).and_then(|at| places.get_mut(at)).filter(|_| theirs == size);
                    match place {
                        Some(place @ None) => *place = Some(stream),
                        _ => {
                            return Err(io::Error::new(
                                io::ErrorKind::InvalidData,
                                "ranks do not fit together",
                            ));
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if start.elapsed() > PATIENCE {
                        return Err(io::Error::new(io::ErrorKind::TimedOut, "a process did not come"));
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Self { rank: 0, streams: places.into_iter().flatten().collect(), size })
    }

    /// Connects to rank 0 at `address`.
    ///
    /// # Errors
    /// As [`Self::join`].
    pub fn connect(address: impl ToSocketAddrs, rank: usize, size: usize) -> io::Result<Self> {
        let start = Instant::now();
        loop {
            match TcpStream::connect(&address) {
                Ok(mut stream) => {
                    stream.set_nodelay(true)?;
                    stream.write_all(&(rank as u64).to_le_bytes())?;
                    stream.write_all(&(size as u64).to_le_bytes())?;
                    return Ok(Self { rank, streams: vec![stream], size });
                }
                Err(error) if start.elapsed() > PATIENCE => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// This process's number, from 0.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// What each process has to say, by rank.
    ///
    /// # Errors
    /// What the operating system says: another process has ended.
    pub fn share(&mut self, own: &[f32]) -> io::Result<Vec<Vec<f32>>> {
        if self.rank > 0 {
            write_numbers(&mut self.streams[0], own)?;
            return (0..self.size).map(|_| read_numbers(&mut self.streams[0])).collect();
        }
        let mut all = vec![own.to_vec()];
        for stream in &mut self.streams {
            all.push(read_numbers(stream)?);
        }
        for stream in &mut self.streams {
            for numbers in &all {
                write_numbers(stream, numbers)?;
            }
        }
        Ok(all)
    }

    /// Replaces the gradients by their sum over all processes, each of which has the same names or fewer than `names`.
    ///
    /// # Errors
    /// As [`Self::share`].
    pub fn sum(&mut self, gradients: &mut Gradients, names: &[(String, usize)]) -> io::Result<()> {
        for (name, length) in names {
            let own = gradients.remove(name).unwrap_or_default();
            let mut sum: Vec<f32> = Vec::new();
            if self.rank > 0 {
                write_numbers(&mut self.streams[0], &own)?;
                sum = read_numbers(&mut self.streams[0])?;
            } else {
                add(&mut sum, own);
                for stream in &mut self.streams {
                    add(&mut sum, read_numbers(stream)?);
                }
                for stream in &mut self.streams {
                    write_numbers(stream, &sum)?;
                }
            }
            // No process reached this weight: it has no gradient, as in a single process.
            if !sum.is_empty() {
                if sum.len() != *length {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "another process trains another model",
                    ));
                }
                gradients.insert(name.clone(), sum);
            }
        }
        Ok(())
    }
}

fn add(sum: &mut Vec<f32>, more: Vec<f32>) {
    if sum.is_empty() {
        *sum = more;
    } else {
        sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }
}

fn write_numbers(stream: &mut TcpStream, numbers: &[f32]) -> io::Result<()> {
    stream.write_all(&(numbers.len() as u64).to_le_bytes())?;
    let mut bytes = Vec::with_capacity(4 * numbers.len().min(1 << 16));
    for block in numbers.chunks(1 << 16) {
        bytes.clear();
        bytes.extend(block.iter().flat_map(|number| number.to_le_bytes()));
        stream.write_all(&bytes)?;
    }
    Ok(())
}

fn read_numbers(stream: &mut TcpStream) -> io::Result<Vec<f32>> {
    let length = read_u64(stream)?;
    if length > MOST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is beyond reason"));
    }
    // Memory grows with what has come, not with what was announced.
    let (mut numbers, mut bytes) = (Vec::new(), vec![0; 1 << 18]);
    let mut left = 4 * length as usize;
    while left > 0 {
        let taken = left.min(bytes.len());
        stream.read_exact(&mut bytes[..taken])?;
        numbers.extend(bytes[..taken].as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)));
        left -= taken;
    }
    Ok(numbers)
}

fn read_u64(stream: &mut TcpStream) -> io::Result<u64> {
    let mut bytes = [0; 8];
    stream.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_share_and_add_in_the_order_of_ranks() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let work = |mut peers: Peers| {
            let rank = peers.rank() as f32;
            let shared = peers.share(&vec![rank; peers.rank()]).unwrap();
            let mut gradients = Gradients::from([("a".to_owned(), vec![rank, 1.0])]);
            if peers.rank() == 1 {
                gradients.insert("b".to_owned(), vec![2.0]);
            }
            let names = [("a".to_owned(), 2), ("b".to_owned(), 1), ("c".to_owned(), 3)];
            peers.sum(&mut gradients, &names).unwrap();
            (shared, gradients)
        };
        let others: Vec<_> = [2, 1]
            .map(|rank| std::thread::spawn(move || work(Peers::connect(address, rank, 3).unwrap())))
            .into();
        let first = work(Peers::gather(&listener, 3).unwrap());
        assert_eq!(first.0, [vec![], vec![1.0], vec![2.0, 2.0]]);
        assert_eq!(first.1, Gradients::from([("a".to_owned(), vec![3.0, 3.0]), ("b".to_owned(), vec![2.0])]));
        for other in others {
            assert_eq!(other.join().unwrap(), first);
        }
    }
}
