FROM Debian
